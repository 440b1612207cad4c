/** Fields of the table of versions: the condition, with words that complete it, and the choice of columns. */
import type { JSX, RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { QueryWords } from '../../pure/dql/complete.js';
import { setParams, useRoute } from '../state/router.js';
import { Text } from './basics.js';

/** Words that a condition has besides columns. */
const WORDS = 'and or not in like ilike between is null best last min max count'.split(' ');
/** The address follows once nobody has written for so long: browsers count its changes. */
const PAUSE_MS = 300;

interface WhereProps {
  fieldRef: RefObject<HTMLInputElement | null>;
  words: QueryWords | null;
  problem: string | null;
  where: string;
  /** Is told of every letter. */
  onWhere: (where: string) => void;
  /** Is told once nobody has written for a moment. */
  onPause: (where: string) => void;
}

export function WhereField({
  fieldRef,
  words,
  problem,
  where: text,
  onWhere,
  onPause,
}: WhereProps): JSX.Element {
  const { params } = useRoute();
  useEffect(() => {
    if (text === (params.where ?? '')) return;
    const timer = setTimeout(() => onPause(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const [, part = ''] = /([\p{L}_][\p{L}\p{N}_.]*)$/u.exec(text) ?? [];
  const lower = part.toLowerCase();
  const offered =
    part === ''
      ? []
      : [...(words?.columns ?? []), ...WORDS]
          .filter((word) => word.toLowerCase().includes(lower) && word !== part)
          .sort((a, b) => Number(b.startsWith(part)) - Number(a.startsWith(part)))
          .slice(0, 12);
  return (
    <label class="field grow">
      <span>where</span>
      <input
        ref={fieldRef}
        type="search"
        list="where-words"
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        placeholder="acc > 0.9 and params.lr < 1e-3"
        value={text}
        title="a condition as dlv list --where takes it (/)"
        aria-invalid={problem !== null}
        aria-describedby={problem === null ? undefined : 'where-problem'}
        onInput={(event) => onWhere(event.currentTarget.value)}
      />
      <datalist id="where-words">
        {offered.map((word) => (
          <option key={word} value={text.slice(0, text.length - part.length) + word} />
        ))}
      </datalist>
      {problem !== null && (
        <small id="where-problem" class="problem" role="status">
          <Text of={problem} />
        </small>
      )}
    </label>
  );
}

/** Columns that names of layers' steps are not. */
const NOT_COLUMNS = new Set(
  'next prev succ pred path insert replace delete input output kernel stride units channels'.split(
    ' ',
  ),
);

interface ChoiceProps {
  all: readonly string[];
  shown: readonly string[];
  onClose: () => void;
}

export function ColumnChoice({ all, shown, onClose }: ChoiceProps): JSX.Element {
  const [wanted, setWanted] = useState('');
  const names = [...new Set([...shown, ...all.filter((name) => !NOT_COLUMNS.has(name))])];
  const found = names.filter((name) => name.toLowerCase().includes(wanted.toLowerCase()));
  const toggle = (name: string): void => {
    const next = shown.includes(name) ? shown.filter((one) => one !== name) : [...shown, name];
    setParams({ cols: next.join(',') });
  };
  return (
    <fieldset class="columns" onKeyDown={(event) => event.key === 'Escape' && onClose()}>
      <legend>Columns</legend>
      <label class="field">
        <span>find</span>
        <input
          type="search"
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
      </label>
      <div class="choices">
        {found.slice(0, 200).map((name) => (
          <label key={name}>
            <input type="checkbox" checked={shown.includes(name)} onChange={() => toggle(name)} />
            <Text of={name} />
          </label>
        ))}
        {found.length > 200 && <span class="dim">and {found.length - 200} more</span>}
      </div>
    </fieldset>
  );
}
