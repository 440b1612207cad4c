/**
 * What AWS's own files and variables say: credentials, region, endpoint. Only the user's: nothing here reads a
 * repository.
 *
 * Start at `readAwsSettings`. AWS_PROFILE chooses a profile of ~/.aws/credentials and ~/.aws/config;
 * AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name other files.
 */
import { exec } from 'node:child_process';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { isDamage, RemoteError } from '../../../../base/errors.js';
import { isMissing, readSmallFile } from '../../../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../../../base/limits.js';
import type { S3Defaults } from './s3-address.js';
import type { S3Credentials } from './s3-signature.js';

export type Env = Readonly<Record<string, string | undefined>>;

/** The surroundings of a bucket. */
export interface AwsSettings extends S3Defaults {
  /** Reads or makes credentials. @throws {RemoteError} that says how to give them. */
  credentials(): Promise<S3Credentials>;
}

type Sections = Map<string, Map<string, string>>;

/** Longest time that a credential_process may take. */
const PROCESS_MS = 60_000;

/** Sections of an ini file; indented lines belong to the key above them, as `s3.addressing_style`. */
export function parseIni(text: string): Sections {
  const sections: Sections = new Map();
  let section: Map<string, string> | null = null;
  let above = '';
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const name = /^\[\s*(.*?)\s*\]/.exec(line)?.[1];
    if (name !== undefined) {
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      continue;
    }
    const [, indent = '', key = '', value = ''] =
      /^(\s*)([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === null || key === '') continue;
    const isNested = indent !== '' && above !== '';
    section.set(isNested ? `${above}.${key}` : key.toLowerCase(), value.replace(/\s[#;].*$/, ''));
    if (!isNested) above = value === '' ? key.toLowerCase() : '';
  }
  return sections;
}

async function readIni(file: string): Promise<Sections> {
  try {
    return parseIni(Buffer.from(await readSmallFile(file, USER_TEXT_BYTES_MAX)).toString('utf8'));
  } catch (error) {
    if (isMissing(error) || isDamage(error)) return new Map();
    throw error;
  }
}

/** The two files of a user, as far as they are there. */
async function readProfile(env: Env): Promise<{ name: string; values: Map<string, string> }> {
  const home = env.HOME || env.USERPROFILE || homedir();
  const place = (given: string | undefined, name: string): string =>
    given ? given.replace(/^~(?=\/)/, home) : path.join(home, '.aws', name);
  const name = env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE || 'default';
  const config = await readIni(place(env.AWS_CONFIG_FILE, 'config'));
  const secrets = await readIni(place(env.AWS_SHARED_CREDENTIALS_FILE, 'credentials'));
  const ofConfig = config.get(name === 'default' ? 'default' : `profile ${name}`) ?? new Map();
  const ofSecrets = secrets.get(name) ?? new Map();
  const isNamed = Boolean(env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE);
  if (isNamed && ofConfig.size + ofSecrets.size === 0) {
    throw new RemoteError(`there is no profile '${name}' in ~/.aws/credentials or ~/.aws/config`, {
      profile: name,
      hint: "correct AWS_PROFILE, or make the profile with 'aws configure --profile NAME'",
    });
  }
  return { name, values: new Map([...ofConfig, ...ofSecrets]) };
}

/** Reads what the surroundings say of buckets. @throws {RemoteError} for a profile that is not there. */
export async function readAwsSettings(env: Env = process.env): Promise<AwsSettings> {
  const { name, values } = await readProfile(env);
  const ofEnv = credentialsOf({
    id: env.AWS_ACCESS_KEY_ID,
    secret: env.AWS_SECRET_ACCESS_KEY,
    token: env.AWS_SESSION_TOKEN,
  });
  return {
    endpoint: env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || values.get('endpoint_url') || null,
    region: env.AWS_REGION || env.AWS_DEFAULT_REGION || values.get('region') || null,
    style: values.get('s3.addressing_style') ?? null,
    credentials: async () => ofEnv ?? (await ofProfile(name, values, env)),
  };
}

function credentialsOf(found: {
  id: string | undefined;
  secret: string | undefined;
  token: string | undefined;
}): S3Credentials | null {
  const { id, secret, token } = found;
  if (!id || !secret) return null;
  return { accessKeyId: id, secretAccessKey: secret, sessionToken: token || null, expiresMs: null };
}

async function ofProfile(
  name: string,
  values: ReadonlyMap<string, string>,
  env: Env,
): Promise<S3Credentials> {
  const found = credentialsOf({
    id: values.get('aws_access_key_id'),
    secret: values.get('aws_secret_access_key'),
    token: values.get('aws_session_token'),
  });
  if (found !== null) return found;
  const command = values.get('credential_process');
  if (command !== undefined) return askProcess(name, command, env);
  const needsAws = ['sso_session', 'sso_start_url', 'role_arn', 'web_identity_token_file'].some(
    (key) => values.has(key),
  );
  throw new RemoteError(
    needsAws
      ? `the profile '${name}' gives its credentials to AWS's own programs alone`
      : 'no credentials were found for the bucket',
    {
      profile: name,
      hint: needsAws
        ? `run 'eval "$(aws configure export-credentials --profile ${name} --format env)"', then the command again`
        : 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or put them in ~/.aws/credentials',
    },
  );
}

/** Runs the command of a profile, which prints credentials as JSON. */
async function askProcess(name: string, command: string, env: Env): Promise<S3Credentials> {
  const fail = (): RemoteError =>
    new RemoteError(`the credential_process of profile '${name}' gave no credentials`, {
      profile: name,
      hint: 'run that command by hand; it must print JSON with Version 1, AccessKeyId and SecretAccessKey',
    });
  let said: Record<string, unknown>;
  try {
    const options = {
      env: { ...env } as NodeJS.ProcessEnv,
      timeout: PROCESS_MS,
      maxBuffer: 1 << 20,
    };
    const { stdout } = await promisify(exec)(command, options);
    said = JSON.parse(stdout) as Record<string, unknown>;
  } catch {
    // Neither its output nor its error is shown: either may hold secrets.
    throw fail();
  }
  const text = (key: string): string | undefined =>
    typeof said[key] === 'string' ? (said[key] as string) : undefined;
  const found = credentialsOf({
    id: text('AccessKeyId'),
    secret: text('SecretAccessKey'),
    token: text('SessionToken'),
  });
  if (said.Version !== 1 || found === null) throw fail();
  const expiresMs = Date.parse(text('Expiration') ?? '');
  return { ...found, expiresMs: Number.isNaN(expiresMs) ? null : expiresMs };
}
