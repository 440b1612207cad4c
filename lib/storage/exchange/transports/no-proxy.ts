/**
 * Which hosts NO_PROXY excepts, as curl and Go read it: parted by commas or blanks, each of
 *
 * - `*`, which is every host;
 * - a name, with or without `.` or `*.` before it: that host and all below it;
 * - an address of IPv4 or IPv6, in brackets or not, or a range of them, `10.0.0.0/8`;
 *
 * and, but for ranges, `:port`. Names are not looked up: a range excepts a host that is written as an address.
 * What is none of these excepts nothing.
 */
import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';

export function isExcepted({ hostname, port, protocol }: URL, list: string): boolean {
  const host = bareHost(hostname);
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((item) => {
    if (item === '*') return true;
    if (item.includes('/')) return isInRange(host, item);
    const { name, only } = nameAndPort(item);
    if (name === '' || (only !== null && Number(only) !== Number(ownPort))) return false;
    return isIP(name) > 0 ? isSameAddress(host, name) : isNamed(host, name);
  });
}

/** A host without the brackets of IPv6 and the dot of the root. */
function bareHost(host: string): string {
  return host.replace(/^\[|\]$|\.$/g, '').toLowerCase();
}

function nameAndPort(item: string): { name: string; only: string | null } {
  if (isIP(item) > 0) return { name: item, only: null };
  const [, host = '', only = null] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(item) ?? [];
  return { name: bareHost(host), only };
}

function isNamed(host: string, name: string): boolean {
  const bare = name.replace(/^(\*?\.)/, '');
  const ascii = domainToASCII(bare) || bare;
  if (ascii === '') return false;
  return host === ascii || (isIP(host) === 0 && host.endsWith(`.${ascii}`));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

function isSameAddress(host: string, address: string): boolean {
  if (isIP(host) === 0) return false;
  const same = new BlockList();
  same.addAddress(address, familyOf(address));
  return same.check(host, familyOf(host));
}

function isInRange(host: string, range: string): boolean {
  const [, text = '', bits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(range) ?? [];
  const address = bareHost(text);
  const family = isIP(address);
  if (family === 0 || Number(bits) > (family === 4 ? 32 : 128) || isIP(host) === 0) return false;
  const within = new BlockList();
  within.addSubnet(address, Number(bits), familyOf(address));
  return within.check(host, familyOf(host));
}
