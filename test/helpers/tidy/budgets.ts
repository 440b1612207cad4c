/** Memory budgets: those of limits.ts and those that ARCHITECTURE.md lists are the same. */

const SECTION = /^\/\/ --- memory budgets.*$([\s\S]*)/m;
const CONSTANT = /^export const ([A-Z_]+) = ([\d*_ ]+);$/gm;
const TABLE = /<!-- budgets -->([\s\S]*?)<!-- \/budgets -->/;
const ROW = /^\| `([A-Z_]+)` \| ([^|]+?) \|/gm;

/** How the table writes the value of a constant: `*_BYTES` in MiB, others as they are. */
function formatBudget(name: string, product: string): string {
  const value = product.split('*').reduce((all, factor) => all * Number(factor), 1);
  return name.endsWith('_BYTES') ? `${value / 2 ** 20} MiB` : `${value}`;
}

/** Problems between the budgets of limits.ts and the table of the page. */
export function checkBudgets(limits: string, page: string): string[] {
  const section = SECTION.exec(limits)?.[1];
  const table = TABLE.exec(page)?.[1];
  if (section === undefined || table === undefined) return ['no section or no table of budgets'];
  const listed = new Map([...table.matchAll(ROW)].map(([, name, size]) => [name!, size!]));
  const problems: string[] = [];
  for (const [, name, product] of section.matchAll(CONSTANT)) {
    const size = formatBudget(name!, product!);
    const found = listed.get(name!);
    if (found !== size) problems.push(`${name} is ${size}, the table says ${found ?? 'nothing'}`);
    listed.delete(name!);
  }
  for (const name of listed.keys()) problems.push(`the table names ${name}, which is no budget`);
  return problems;
}
