/** Small parts that all views share: states, markup of the commands' pages, names of versions. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { enhance } from '#enhance';
import { printable } from '../../base/bytes/printable.js';
import type { Section } from '../../cli/pages/parts.js';
import type { Markup } from '../../pure/picture/markup.js';
import type { ApiError, Asked } from '../state/api.js';
import { addressOf, go, Link, selectedOf, toggleSelected, useRoute } from '../state/router.js';

interface Policy {
  createHTML(text: string): string;
}
/** Browsers that know trusted types take markup from this policy alone, and it takes markup of templates alone. */
const policy: Policy = (
  globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }
).trustedTypes?.createPolicy('dlv', { createHTML: (text) => text }) ?? {
  createHTML: (text) => text,
};

/** Markup as an element takes it. Text alone that a template made may come here: its values are escaped already. */
export function markupOf(text: string): string {
  return policy.createHTML(text);
}

/** Markup that a template made. */
export function Shown({
  markup,
  tag = 'div',
}: {
  markup: Markup;
  tag?: 'div' | 'span';
}): JSX.Element {
  const ref = useRef<HTMLElement>(null);
  const text = String(markup);
  useEffect(() => {
    if (ref.current === null) return;
    ref.current.innerHTML = markupOf(text);
    enhance(ref.current);
    linkVersions(ref.current);
  }, [text]);
  return tag === 'span' ? (
    <span ref={ref as never} class="shown" />
  ) : (
    <div ref={ref as never} class="shown" />
  );
}

/** Names of versions in markup of a page lead to them. */
function linkVersions(root: ParentNode): void {
  for (const place of root.querySelectorAll<HTMLElement>('[data-version]')) {
    const v = place.dataset.version ?? '';
    const link = document.createElement('a');
    link.className = 'version';
    link.textContent = place.textContent;
    link.href = addressOf('version', { v });
    link.addEventListener('click', (event) => {
      if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go('version', { v });
    });
    place.replaceChildren(link);
  }
}

/** Text of strangers as all pages show it: what is invisible or turns lines is written out. */
export function Text({ of }: { of: string }): JSX.Element {
  return <>{printable(of)}</>;
}

export function Sections({ sections }: { sections: readonly (Section | null)[] }): JSX.Element {
  const shown = sections.filter((one) => one !== null);
  return (
    <>
      {shown.length > 2 && (
        <nav class="toc" aria-label="sections">
          {shown.map(({ id, title }) => (
            <a
              key={id}
              href={`#${id}`}
              onClick={(event) => {
                event.preventDefault();
                document.getElementById(id)?.scrollIntoView();
                document.getElementById(id)?.focus();
              }}
            >
              <Text of={title} />
            </a>
          ))}
        </nav>
      )}
      {shown.map(({ id, title, body }) => (
        <section key={id} aria-labelledby={id}>
          <h2 id={id} tabIndex={-1}>
            <Text of={title} />
          </h2>
          <Shown markup={body as Markup} />
        </section>
      ))}
    </>
  );
}

export function ErrorBox({ error }: { error: ApiError }): JSX.Element {
  const isDamage =
    ['DLV_CORRUPT', 'DLV_TRUNCATED'].includes(error.code) && !/dlv fsck/.test(error.hint ?? '');
  // The page never fetches; that is nobody's choice who looks at it.
  const [, remote] = /is at the remote '([^']+)' alone, and --no-fetch/.exec(error.message) ?? [];
  if (remote !== undefined) return <Absent remote={remote} />;
  return (
    <div class="banner bad" role="alert">
      <p>
        <b>
          <Text of={error.message} />
        </b>
      </p>
      {error.hint !== null && (
        <p>
          <Text of={error.hint} />
        </p>
      )}
      {isDamage && (
        <p>
          <code>dlv fsck</code> says what else is damaged, and what can be rebuilt.
        </p>
      )}
    </div>
  );
}

/** Shown in a partial clone for what it has not. */
function Absent({ remote }: { remote: string }): JSX.Element {
  return (
    <div class="banner absent" role="alert">
      <p>
        <b>
          This clone is partial: what is asked for is at the remote ‘<Text of={remote} />’ alone.
        </b>
      </p>
      <p>
        <code>dlv fetch --planes all --depth all --only all</code> brings all of it, and a command
        in a terminal what it needs itself. The page fetches nothing.
      </p>
    </div>
  );
}

/** Warnings of a document, the first ones. */
export function Warnings({ of }: { of: readonly string[] }): JSX.Element | null {
  if (of.length === 0) return null;
  return (
    <details class="banner" open={of.length === 1}>
      <summary>{of.length === 1 ? 'A warning' : `${of.length} warnings`}</summary>
      <ul>
        {of.slice(0, 12).map((text) => (
          <li key={text}>
            <Text of={text} />
          </li>
        ))}
      </ul>
    </details>
  );
}

/** What is shown of a document: its error, that it is read, or what it says. */
export function Document<T>({
  asked,
  what,
  children,
}: {
  asked: Asked<T>;
  what: string;
  children: (data: T) => ComponentChildren;
}): JSX.Element {
  const { data, error, warnings, isLoading } = asked;
  return (
    <div aria-busy={isLoading}>
      {error !== null && <ErrorBox error={error} />}
      <Warnings of={warnings} />
      {data === null
        ? isLoading && (
            <p class="loading" role="status">
              Reading {what} …
            </p>
          )
        : children(data)}
    </div>
  );
}

/** Shown where there is nothing. */
export function Empty({
  title,
  children,
}: {
  title: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <p class="what">{title}</p>
      {children}
    </div>
  );
}

/** The name of a version, which leads to it. */
export function VersionLink({ name }: { name: string }): JSX.Element {
  return (
    <Link view="version" params={{ v: name }} class="version">
      <Text of={name} />
    </Link>
  );
}

/** Chooses a version to be compared. */
export function SelectBox({ name }: { name: string }): JSX.Element {
  const isSelected = selectedOf(useRoute()).includes(name);
  return (
    <input
      type="checkbox"
      class="select"
      checked={isSelected}
      aria-label={`select ${printable(name)}`}
      onClick={(event) => event.stopPropagation()}
      onChange={() => toggleSelected(name)}
    />
  );
}

export function Refs({ of }: { of: readonly string[] }): JSX.Element {
  return (
    <>
      {of.map((ref) => (
        <span key={ref} class={`ref${ref === 'HEAD' ? ' head' : ''}`}>
          <Text of={ref} />
        </span>
      ))}
    </>
  );
}

/** Versions as a form takes them: names with commas. */
export function VersionsField({
  names,
  onNames,
}: {
  names: readonly string[];
  onNames: (names: string[]) => void;
}): JSX.Element {
  return (
    <label class="field grow">
      <span>versions</span>
      <input
        type="text"
        spellcheck={false}
        value={names.join(', ')}
        placeholder="fashion@3, fashion@5"
        onChange={(event) =>
          onNames(
            event.currentTarget.value
              .split(/[,\s]+/)
              .map((name) => name.trim())
              .filter(Boolean),
          )
        }
      />
    </label>
  );
}
