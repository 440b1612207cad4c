/** The behaviour of the commands' pages (cli/pages/frame/script.ts), as the bundle has it. */
declare module '#enhance' {
  export function enhance(root: ParentNode): void;
}
