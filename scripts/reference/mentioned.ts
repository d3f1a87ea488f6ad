import { fileURLToPath } from 'node:url';
import { SyntaxKind, type Node } from 'typescript/unstable/ast';
import { API, type Project, type Symbol as Named } from 'typescript/unstable/sync';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** A type of the package that its public declarations mention and that it does not export. */
export interface Mention {
  name: string;
  /** Its file below dist. */
  file: string;
  /** An export that mentions it. */
  by: string;
}

/**
 * Lists the types that a user meets and cannot name: with `declaration: true` the compiler then refuses an export that
 * has one (TS2742, TS4058). Reads the declarations in dist; build first.
 */
export function unexportedTypes(): Mention[] {
  const api = new API({ cwd: DIST });
  try {
    const config = fileURLToPath(new URL('tsconfig.json', import.meta.url));
    const project = api.updateSnapshot({ openProject: config }).getProject(config)!;
    const source = project.program.getSourceFile(`${DIST}index.d.ts`);
    if (!source) throw new Error('dist/index.d.ts is not there: run npm run build:ts');
    const exported = new Map<string, { name: string; nodes: Node[] }>();
    collect(project, project.checker.getSymbolAtLocation(source)!, '', exported);
    const found = new Map<string, Mention>();
    for (const { name, nodes } of exported.values()) {
      for (const node of nodes) visit(project, node, name, exported, found);
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  } finally {
    api.close();
  }
}

/** Declarations by place, which is the same for all names of one thing. */
function collect(
  project: Project,
  module: Named,
  namespace: string,
  into: Map<string, { name: string; nodes: Node[] }>,
): void {
  for (const symbol of project.checker.getExportsOfModule(module)) {
    const target = real(project, symbol);
    const nodes = nodesOf(project, target);
    const [first] = nodes;
    if (!first) continue;
    const name = `${namespace}${symbol.name}`;
    if (into.has(place(first))) continue;
    into.set(place(first), { name, nodes });
    if (first.kind === SyntaxKind.SourceFile) collect(project, target, `${name}.`, into);
  }
}

function real(project: Project, symbol: Named): Named {
  const aliases = [
    SyntaxKind.ExportSpecifier,
    SyntaxKind.NamespaceExport,
    SyntaxKind.ImportSpecifier,
    SyntaxKind.NamespaceImport,
  ];
  return symbol.declarations.some(({ kind }) => aliases.includes(kind))
    ? project.checker.getAliasedSymbol(symbol)
    : symbol;
}

const nodesOf = (project: Project, symbol: Named): Node[] =>
  symbol.declarations.flatMap((handle) => handle.resolve(project) ?? []);

const place = (node: Node): string => `${node.getSourceFile().fileName}:${node.pos}`;

/** The name in a mention of a type; null for other nodes. */
function nameIn(node: Node): Node | null {
  const parts = node as Node & { typeName?: Node; expression?: Node; qualifier?: Node; right?: Node };
  let name: Node | undefined;
  if (node.kind === SyntaxKind.TypeReference) name = parts.typeName;
  else if (node.kind === SyntaxKind.ExpressionWithTypeArguments) name = parts.expression;
  else if (node.kind === SyntaxKind.ImportType) name = parts.qualifier;
  if (name?.kind === SyntaxKind.QualifiedName) return (name as Node & { right: Node }).right;
  return name ?? null;
}

function visit(
  project: Project,
  node: Node,
  by: string,
  exported: ReadonlyMap<string, unknown>,
  found: Map<string, Mention>,
): void {
  if (node.kind === SyntaxKind.SourceFile || isPrivate(node)) return;
  const name = nameIn(node);
  const symbol = name === null ? undefined : project.checker.getSymbolAtLocation(name);
  if (symbol) {
    const target = real(project, symbol);
    const nodes = nodesOf(project, target);
    const [first] = nodes;
    const file = first?.getSourceFile().fileName ?? '';
    if (
      first &&
      file.startsWith(DIST) &&
      first.kind !== SyntaxKind.TypeParameter &&
      // A global one that the package adds to needs no import.
      nodes.every((one) => one.getSourceFile().fileName.startsWith(DIST)) &&
      !exported.has(place(first))
    ) {
      found.set(place(first), { name: target.name, file: file.slice(DIST.length), by });
    }
  }
  node.forEachChild((child) => visit(project, child, by, exported, found));
}

/** Members that no user calls: `#name`, and what is marked private or protected. */
function isPrivate(node: Node): boolean {
  const { name } = node as { name?: Node };
  return name?.kind === SyntaxKind.PrivateIdentifier || /^(private|protected) /.test(node.getText());
}
