/**
 * Quantised weights by the names that GPTQ, AWQ, bitsandbytes, HQQ and compressed-tensors give their parts: codes are no
 * values, and mean nothing without the scales that were made with them.
 */

/** Names of parts; in a group of two or more, each stands for others that the same writer makes. */
const PART =
  /^(.*\.)?(qweight|qzeros|scales|g_idx|weight_(?:packed|scale|scale_inv|scale_2|global_scale|zero_point|shape|g_idx)|input_scale|SCB|weight_format|W_q|scale|zero|weight(?:\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..+))?)$/;
/** Parts that a weight of plain floats does not have. */
const TELLING = /^(qweight|weight_packed|weight_scale|weight_scale_inv|SCB|W_q|weight\.absmax)$/;

/** The weight that each part of a quantised one belongs to. */
export function quantisedParts(names: Iterable<string>): Map<string, string> {
  const found: { name: string; module: string }[] = [];
  const quantised = new Set<string>();
  for (const name of names) {
    const [, module = '', part] = PART.exec(name) ?? [];
    if (part === undefined) continue;
    found.push({ name, module });
    if (TELLING.test(part)) quantised.add(module);
  }
  return new Map(
    found.filter(({ module }) => quantised.has(module)).map(({ name, module }) => [name, module]),
  );
}

/** Quantised weights by the module that has them, each with the part that tells it. */
export function quantisedModules(names: Iterable<string>): Map<string, string> {
  const modules = new Map<string, string>();
  for (const name of names) {
    const [, above = '', part = ''] = PART.exec(name) ?? [];
    if (TELLING.test(part)) modules.set(above.replace(/\.$/, ''), name);
  }
  return modules;
}
