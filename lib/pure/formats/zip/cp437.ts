/** Code page 437, in which zip archives hold names that are not marked as UTF-8. */

/** Characters of the bytes 128 to 255. */
const HIGH =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

/** Text of bytes in code page 437; bytes below 128 are ASCII. */
export function decodeCp437(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  return text.replace(/[\x80-\xff]/g, (byte) => HIGH[byte.charCodeAt(0) - 0x80] as string);
}
