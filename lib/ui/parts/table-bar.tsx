/** The bar above the table of versions: the condition, columns, groups, and the form in which versions are shown. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { printable } from '../../base/bytes/printable.js';
import type { QueryWords } from '../../pure/dql/complete.js';
import { useKeys } from '../state/keys.js';
import { listOf } from '../state/route.js';
import { setParams, useRoute } from '../state/router.js';
import { titleOf } from '../state/rows.js';
import { ColumnChoice, WhereField } from './filter.js';

/** Ways to show what fits. */
const FORMS = [
  ['', 'Table'],
  ['parallel', 'Parallel'],
  ['scatter', 'Scatter'],
] as const;

/** Attributes that versions are often grouped by. */
const GROUPABLE = ['model', 'branch', 'author', 'operation'];

function GroupField({ columns }: { columns: readonly string[] }): JSX.Element {
  const { params } = useRoute();
  const { group = '' } = params;
  const offered = [...GROUPABLE, ...columns.filter((name) => name.startsWith('params.'))];
  const known = group === '' || offered.includes(group) ? offered : [group, ...offered];
  return (
    <label class="field group">
      <span>group by</span>
      <select
        value={group}
        onChange={({ currentTarget: { value } }) =>
          setParams({ group: value, as: undefined, sort: undefined })
        }
      >
        <option value="">nothing</option>
        {known.map((name) => (
          <option key={name} value={name}>
            {printable(titleOf(name, known))}
          </option>
        ))}
      </select>
    </label>
  );
}

export function TableBar({
  words,
  problem,
  names,
  where,
  onWhere,
  onPause,
}: {
  words: QueryWords | null;
  problem: string | null;
  names: readonly string[];
  where: string;
  onWhere: (where: string) => void;
  onPause: (where: string) => void;
}): JSX.Element {
  const { params } = useRoute();
  const [isChoosing, setChoosing] = useState(false);
  const field = useRef<HTMLInputElement | null>(null);
  useKeys({ '/': () => field.current?.focus(), '.': () => setChoosing((is) => !is) });
  useEffect(() => {
    if (!isChoosing) return;
    document.querySelector<HTMLInputElement>('.columns input')?.focus();
  }, [isChoosing]);
  return (
    <>
      <div class="bar filter">
        <WhereField
          fieldRef={field}
          words={words}
          problem={problem}
          where={where}
          onWhere={onWhere}
          onPause={onPause}
        />
        <button
          type="button"
          aria-expanded={isChoosing}
          title="choose columns (.)"
          onClick={() => setChoosing(!isChoosing)}
        >
          Columns
        </button>
        <GroupField columns={words?.columns ?? []} />
        <fieldset class="forms">
          <legend class="spoken">shown as</legend>
          {FORMS.map(([as, title]) => (
            <button
              key={as}
              type="button"
              aria-pressed={(params.as ?? '') === as && params.group === undefined}
              onClick={() => setParams({ as, group: undefined })}
            >
              {title}
            </button>
          ))}
        </fieldset>
        {params.cols !== undefined && (
          <button type="button" onClick={() => setParams({ cols: undefined })}>
            Usual columns
          </button>
        )}
      </div>
      {isChoosing && (
        <ColumnChoice
          all={words?.columns ?? []}
          shown={params.cols === undefined ? names : listOf(params.cols)}
          onClose={() => setChoosing(false)}
        />
      )}
    </>
  );
}
