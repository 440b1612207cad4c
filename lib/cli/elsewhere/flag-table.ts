/** What to do instead of a flag, by command and flag; a flag that ends with '=' is meant with a value. */
export type FlagTable = Readonly<Record<string, Readonly<Record<string, string>>>>;
