/** `dlv query` with slice or construct: makes new versions of changed networks. @see docs/dql.md */

import { UsageError } from '../../base/errors.js';
import { parseStatement } from '../../pure/dql/parse.js';
import type { ConstructionOptions } from '../construction/find-targets.js';
import { type ConstructionResult, runStatement } from '../construction/run-statement.js';
import type { OpContext } from '../context.js';
import { evaluatedReader } from '../evaluation/evaluated-reader.js';
import { readRows } from '../history/table/version-rows.js';
import { RepositoryHost } from '../query/repository-host.js';
import type { Repository } from '../repository.js';

export type { ConstructedVersion } from '../construction/run-statement.js';
export type { ConstructionOptions, ConstructionResult };

/**
 * Makes a version for each that a slice or a construct speaks of. Nothing is made if one of them cannot be.
 * @throws {UsageError} with line and column; {ExistsError} if a branch of that name is there; {NotFoundError}
 */
export async function construct(
  repo: Repository,
  text: string,
  options: ConstructionOptions,
  context: OpContext,
): Promise<ConstructionResult> {
  const statement = parseStatement(text);
  if (statement.kind !== 'slice' && statement.kind !== 'construct') {
    throw new UsageError(`${statement.kind} makes no networks: slice and construct do`, {
      hint: "'dlv help dql' shows both",
    });
  }
  const evaluated = evaluatedReader(repo, [text], context);
  const { rows } = await readRows(repo, { evaluated }, context.signal);
  const host = new RepositoryHost(repo, rows, context);
  const isAsked = statement.explain === true;
  const asked = isAsked ? { ...options, dryRun: true } : options;
  return runStatement(repo, { host, text, statement }, asked, context);
}
