export declare const busyWork: Record<string, () => unknown>;
export declare function busy(kinds: readonly string[], turn: number, scoped?: boolean): void;
