/** Rows of one height of which only those in sight are made: lists of ten thousand scroll as short ones. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** Rows beyond both edges, so that scrolling shows no gap. */
const BEYOND = 8;

interface WindowProps {
  count: number;
  rowHeight: number;
  label: string;
  /** The row that keys are at; it is kept in sight. */
  active: number;
  class?: string;
  head?: ComponentChildren;
  children: (from: number, to: number) => ComponentChildren;
}

export function Window({
  count,
  rowHeight,
  label,
  active,
  head,
  children,
  ...rest
}: WindowProps): JSX.Element {
  const ref = useRef<HTMLElement>(null);
  const [at, set] = useState({ top: 0, height: 800 });
  const measure = (): void => {
    const box = ref.current;
    if (box !== null) set({ top: box.scrollTop, height: box.clientHeight });
  };
  useLayoutEffect(measure, [count, rowHeight]);
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    if (ref.current !== null) observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const box = ref.current;
    if (box === null || active < 0) return;
    const headHeight = box.querySelector('thead')?.clientHeight ?? 0;
    const top = active * rowHeight;
    const room = box.clientHeight - headHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + room) box.scrollTop = top + rowHeight - room;
  }, [active]);
  const from = Math.max(0, Math.floor(at.top / rowHeight) - BEYOND);
  const to = Math.min(count, Math.ceil((at.top + at.height) / rowHeight) + BEYOND);
  return (
    <section
      {...rest}
      ref={ref}
      class={`window ${rest.class ?? ''}`}
      aria-label={label}
      tabIndex={0}
      onScroll={measure}
    >
      {head}
      {children(from, to)}
    </section>
  );
}

/** Space that rows out of sight would take. */
export function Spacer({ height, span }: { height: number; span: number }): JSX.Element | null {
  if (height <= 0) return null;
  return (
    <tr aria-hidden="true" class="space">
      <td colSpan={span} style={{ height: `${height}px` }} />
    </tr>
  );
}

/** True while a media query fits. */
export function useMedia(query: string): boolean {
  const [fits, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const listener = (): void => set(list.matches);
    list.addEventListener('change', listener);
    return () => list.removeEventListener('change', listener);
  }, [query]);
  return fits;
}
