import { fileURLToPath } from 'node:url';
import { SyntaxKind, type Node } from 'typescript/unstable/ast';
import { API, type Checker, type Project, type Symbol as Named } from 'typescript/unstable/sync';

/** A method, accessor, property or constructor of a class, or a field of an interface. */
export interface Member {
  name: string;
  /** Text of its docstring, or of that of the base class's member that it overrides. */
  documentation: string;
  signatures: string[];
}

/** A symbol that the package exports. */
export interface Entry {
  name: string;
  kind: 'class' | 'function' | 'constant' | 'type';
  /** Its file below dist, such as `torch/optim/adam.d.ts`. */
  file: string;
  documentation: string;
  signatures: string[];
  members: Member[];
}

/** The package's exports by namespace: `''` for the root, `torch`, `nn`, `nn.init`, `F`, `optim`. */
export type Reference = Map<string, Entry[]>;

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** Reads the declarations in dist, as the compiler understands them. Build first. */
export function collectReference(): Reference {
  const api = new API({ cwd: DIST });
  try {
    const config = fileURLToPath(new URL('tsconfig.json', import.meta.url));
    const project = api.updateSnapshot({ openProject: config }).getProject(config)!;
    const source = project.program.getSourceFile(`${DIST}index.d.ts`);
    if (!source) throw new Error('dist/index.d.ts is not there: run npm run build:ts');
    const found: Reference = new Map();
    collect(project, project.checker.getSymbolAtLocation(source)!, '', found);
    return found;
  } finally {
    api.close();
  }
}

function collect(project: Project, module: Named, namespace: string, found: Reference): void {
  const { checker } = project;
  const entries: Entry[] = [];
  found.set(namespace, entries);
  for (const exported of checker.getExportsOfModule(module)) {
    const target = isAlias(exported) ? checker.getAliasedSymbol(exported) : exported;
    const nodes = target.declarations.map((handle) => handle.resolve(project)!);
    const [first] = nodes;
    if (!first) continue;
    if (first.kind === SyntaxKind.SourceFile) {
      collect(project, target, namespace ? `${namespace}.${exported.name}` : exported.name, found);
    } else {
      const entry = entryOf(checker, project, exported.name, target, nodes);
      // A class that can be named and not made or extended, such as a common base, is a type to its users.
      entries.push(isTypeOnly(project, exported) ? { ...entry, kind: 'type' } : entry);
    }
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isAlias(symbol: Named): boolean {
  const kinds = [SyntaxKind.ExportSpecifier, SyntaxKind.NamespaceExport, SyntaxKind.ImportSpecifier];
  return symbol.declarations.some(({ kind }) => kinds.includes(kind));
}

/** True if a name is exported by `export type`. */
function isTypeOnly(project: Project, symbol: Named): boolean {
  const nodes = symbol.declarations.map((handle) => handle.resolve(project));
  return nodes.some((node) => {
    if (node?.kind !== SyntaxKind.ExportSpecifier) return false;
    const [own, whole] = [node, node.parent.parent] as { isTypeOnly?: boolean }[];
    return own!.isTypeOnly === true || whole!.isTypeOnly === true;
  });
}

function entryOf(checker: Checker, project: Project, name: string, symbol: Named, nodes: Node[]): Entry {
  // Tensor is a class and, for the methods that are installed on it, interfaces: the class tells its name.
  const node = nodes.find(({ kind }) => kind === SyntaxKind.ClassDeclaration) ?? nodes[0]!;
  const own = node.kind === SyntaxKind.FunctionDeclaration ? nodes : [node];
  const file = node.getSourceFile().fileName.slice(DIST.length);
  const documentation = own.map(documentationOf).find((text) => text !== '') ?? '';
  const entry: Entry = { name, kind: 'type', file, documentation, signatures: own.map(text), members: [] };
  if (node.kind === SyntaxKind.FunctionDeclaration) entry.kind = 'function';
  if (node.kind === SyntaxKind.VariableDeclaration) entry.kind = 'constant';
  if (node.kind === SyntaxKind.ClassDeclaration) entry.kind = 'class';
  if (entry.kind === 'class' || node.kind === SyntaxKind.InterfaceDeclaration) {
    entry.signatures = [header(node)];
    entry.members = membersOf(checker, project, symbol, nodes);
  }
  if (node.kind === SyntaxKind.TypeAliasDeclaration && /\bGiven<typeof /.test(node.getText())) {
    entry.members = settingsOf(checker, project, symbol);
  }
  return entry;
}

/** Returns the settings of a configuration whose type is that of a schema. */
function settingsOf(checker: Checker, project: Project, symbol: Named): Member[] {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  return checker.getPropertiesOfType(type).map((property) => {
    const [node] = property.declarations.flatMap((handle) => handle.resolve(project) ?? []);
    const shown = checker.typeToString(checker.getTypeOfSymbol(property)!);
    return {
      name: property.name,
      documentation: node ? documentationOf(node) : '',
      signatures: [`${property.name}: ${shown}`.replace(/: (.*) \| undefined$/, '?: $1')],
    };
  });
}

function membersOf(checker: Checker, project: Project, symbol: Named, nodes: Node[]): Member[] {
  const members = new Map<string, Member>();
  const add = (child: Node): void => {
    const signature = text(child);
    const name = nameOf(child);
    if (name === null || /^(private|protected|#)/.test(signature) || name.startsWith('#')) return;
    const member = members.get(name) ?? { name, documentation: '', signatures: [] };
    members.set(name, member);
    member.signatures.push(signature);
    if (member.documentation === '') {
      const own = documentationOf(child);
      member.documentation = own || name === 'constructor' ? own : inherited(checker, project, symbol, name);
    }
  };
  for (const node of nodes) node.forEachChild(add);
  if (!members.has('constructor')) inheritedConstructors(checker, project, symbol).forEach(add);
  for (const member of members.values()) {
    if (member.name === 'constructor') continue;
    for (const node of nodes) member.documentation ||= asGiven(checker, project, node, member.name);
  }
  return [...members.values()];
}

/** Returns the docstring of the member of the same name in the nearest base class that has one. */
function inherited(checker: Checker, project: Project, symbol: Named, name: string): string {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  for (const base of checker.getBaseTypes(type as Parameters<Checker['getBaseTypes']>[0])) {
    const member = checker.getPropertyOfType(base, name);
    for (const handle of member?.declarations ?? []) {
      const found = documentationOf(handle.resolve(project)!);
      if (found) return found;
    }
    const above = base.getSymbol();
    const further = above ? inherited(checker, project, above, name) : '';
    if (further) return further;
  }
  return '';
}

/** Returns the constructors that the nearest base class of the package with its own ones declares. */
function inheritedConstructors(checker: Checker, project: Project, symbol: Named): Node[] {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  for (const base of checker.getBaseTypes(type as Parameters<Checker['getBaseTypes']>[0])) {
    const above = base.getSymbol();
    const found: Node[] = [];
    for (const handle of above?.declarations ?? []) {
      const node = handle.resolve(project)!;
      if (!node.getSourceFile().fileName.startsWith(DIST)) continue;
      node.forEachChild((child) => void (child.kind === SyntaxKind.Constructor && found.push(child)));
    }
    if (found.length > 0) return found;
    if (above) return inheritedConstructors(checker, project, above);
  }
  return [];
}

/** Returns the text for a property that holds a constructor's argument: of its `@param`, or of the option of its name. */
function asGiven(checker: Checker, project: Project, node: Node, name: string): string {
  let found = '';
  node.forEachChild((child) => {
    if (child.kind !== SyntaxKind.Constructor) return;
    const described = new RegExp(`@param ${name} ([^@]+)`).exec(documentationOf(child));
    if (described) found ||= described[1]!.trim();
    child.forEachChild((parameter) => {
      const { type } = parameter as { type?: Node };
      if (parameter.kind !== SyntaxKind.Parameter || !type) return;
      const properties = checker.getPropertyOfType(checker.getTypeAtLocation(type)!, name);
      for (const handle of properties?.declarations ?? []) {
        found ||= documentationOf(handle.resolve(project)!);
      }
    });
  });
  return found;
}

const MEMBERS = new Set([
  SyntaxKind.MethodDeclaration,
  SyntaxKind.MethodSignature,
  SyntaxKind.PropertyDeclaration,
  SyntaxKind.PropertySignature,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
  SyntaxKind.Constructor,
]);

function nameOf(node: Node): string | null {
  if (!MEMBERS.has(node.kind)) return null;
  if (node.kind === SyntaxKind.Constructor) return 'constructor';
  return (node as Node & { name: Node }).name.getText();
}

/** Returns a declaration's text, in one line or several, without its docstring. */
function text(node: Node): string {
  const whole = node.kind === SyntaxKind.VariableDeclaration ? `const ${node.getText()}` : node.getText();
  return whole.replace(/^export (declare )?/, '').replace(/^(abstract |static |readonly )*declare /, '$1');
}

/** Returns the text before a class's or interface's members. */
function header(node: Node): string {
  const open = node.getText().indexOf('{\n');
  const head = open < 0 ? node.getText().replace(/\{\s*\}$/, '') : node.getText().slice(0, open);
  return head.replace(/^export (declare )?/, '').trim();
}

/** Returns a docstring without its asterisks; none for declarations of JavaScript itself. */
function documentationOf(node: Node): string {
  const owner =
    node.kind === SyntaxKind.VariableDeclaration ? ((node.parent.parent as Node | undefined) ?? node) : node;
  const comment = owner.jsDoc?.at(-1);
  const ours = owner.getSourceFile().fileName.startsWith(DIST);
  if (!comment || !ours) return '';
  const raw = owner.getSourceFile().text.slice(comment.pos, comment.end).trim();
  return raw
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
}
