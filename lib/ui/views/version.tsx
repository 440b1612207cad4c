/** One version: what it says of itself, its files, its networks, weights and curves. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { subject } from '../../cli/output/render.js';
import { formatBytes, formatCount } from '../../cli/output/ui.js';
import { descSections } from '../../cli/pages/desc-page.js';
import { tableOf } from '../../cli/pages/parts.js';
import type { DescResult } from '../../use/ops/desc.js';
import type { ShowResult } from '../../use/ops/show.js';
import type { VersionTable } from '../../use/ops/versions.js';
import { Document, Empty, Refs, Sections, SelectBox, Text, VersionLink } from '../parts/basics.js';
import { Networks } from '../parts/network.js';
import { pathOf, useApi } from '../state/api.js';
import { useKeys } from '../state/keys.js';
import { go, Link, setParams, toggleSelected, useRoute } from '../state/router.js';

const TABS = [
  ['about', 'About'],
  ['network', 'Network'],
  ['weights', 'Weights'],
  ['files', 'Files'],
] as const;
type Tab = (typeof TABS)[number][0];

export function VersionView(): JSX.Element {
  const { params } = useRoute();
  const rev = params.v ?? 'HEAD';
  const tab = TABS.find(([name]) => name === params.tab)?.[0] ?? 'about';
  const shown = useApi<ShowResult>(pathOf('show', { rev }));
  return (
    <>
      {shown.data === null && (
        <h1>
          <Text of={rev} />
        </h1>
      )}
      <Document asked={shown} what={rev}>
        {(version) => <Version version={version} rev={rev} tab={tab} />}
      </Document>
    </>
  );
}

/** The versions before and after, by their numbers. */
function useNeighbours(model: string, version: string): (string | null)[] {
  const { data } = useApi<VersionTable>(
    pathOf('list', { versions: true, model, columns: 'name', sort: 'number' }),
  );
  return useMemo(() => {
    const rows = data?.rows ?? [];
    const at = rows.findIndex((row) => row.version === version);
    return [at - 1, at + 1].map((i) => (at < 0 ? null : (rows[i]?.name ?? null)));
  }, [data, version]);
}

function Version({
  version,
  rev,
  tab,
}: {
  version: ShowResult;
  rev: string;
  tab: Tab;
}): JSX.Element {
  const { name, message, refs, model } = version;
  const [before = null, after = null] = useNeighbours(model, version.version);
  const { params } = useRoute();
  const turn = (to: string | null): void => {
    if (to !== null) go('version', { v: to, tab: params.tab });
  };
  const select = (next: Tab): void => setParams({ tab: next === 'about' ? undefined : next });
  useKeys({
    '[': () => turn(before),
    ']': () => turn(after),
    x: () => toggleSelected(name),
    b: () => go('versions', { m: model, base: name }),
    'g n': () => select('network'),
  });
  return (
    <>
      <div class="bar head">
        <SelectBox name={name} />
        <h1>
          <Text of={`${name}: ${subject(message)}`} />
        </h1>
        <div class="turn">
          {before !== null && (
            <Link
              view="version"
              params={{ v: before, tab: params.tab }}
              title="previous version ([)"
              aria-label={`previous version, ${before}`}
            >
              ←
            </Link>
          )}
          {after !== null && (
            <Link
              view="version"
              params={{ v: after, tab: params.tab }}
              title="next version (])"
              aria-label={`next version, ${after}`}
            >
              →
            </Link>
          )}
        </div>
      </div>
      <p>
        <Refs of={refs} />
        {version.lineage.length > 0 && (
          <span class="dim">
            {' '}
            from{' '}
            {version.lineage.map((parent, i) => (
              <span key={parent.version}>
                {i > 0 && ', '}
                <VersionLink name={parent.name} />
              </span>
            ))}
          </span>
        )}{' '}
        {version.lineage[0] !== undefined && (
          <Link view="compare" params={{ v: `${version.lineage[0].name},${name}` }}>
            what changed
          </Link>
        )}
      </p>
      <nav class="tabs" aria-label="parts of the version">
        {TABS.map(([one, title]) => (
          <Link
            key={one}
            view="version"
            params={{ v: rev, tab: one === 'about' ? undefined : one }}
            aria-current={one === tab ? 'page' : undefined}
          >
            {title}
          </Link>
        ))}
      </nav>
      {tab === 'files' ? <Files version={version} /> : <Described rev={rev} tab={tab} />}
    </>
  );
}

function Files({ version }: { version: ShowResult }): JSX.Element {
  const sections = useMemo(() => {
    const { files, logicalBytes } = version;
    const table = tableOf({
      caption: `${formatCount(files.length, 'file')}, ${formatBytes(logicalBytes)}`,
      columns: [
        { title: 'file' },
        { title: 'size', kind: 'number' },
        { title: 'sha256', kind: 'plain' },
      ],
      rows: files.map((file) => [
        file.path,
        { shown: formatBytes(file.size), sort: file.size },
        file.sha256.slice(0, 16),
      ]),
    });
    return [{ id: 'files', title: 'Files', body: table }];
  }, [version]);
  return <Sections sections={sections} />;
}

function Described({ rev, tab }: { rev: string; tab: Exclude<Tab, 'files'> }): JSX.Element {
  const asked = useApi<DescResult>(pathOf('desc', { rev, all: true, weights: tab === 'weights' }));
  return (
    <Document asked={asked} what={tab === 'network' ? 'the network' : rev}>
      {(result) => {
        if (tab === 'network') {
          return result.networks.length === 0 ? (
            <NoNetwork />
          ) : (
            <Networks networks={result.networks} />
          );
        }
        const wanted = tab === 'weights' ? /^(weights|statistics)-/ : /^(version|curves)$/;
        const sections = descSections(
          tab === 'weights'
            ? { ...result, networks: [] }
            : { ...result, networks: [], weights: [] },
        );
        const found = sections.filter((one) => one !== null && wanted.test(one.id));
        return found.length === 0 ? (
          <Empty title="No weights that dlv understands are in this version.">
            <p>It reads safetensors, ONNX, PyTorch and NumPy files.</p>
          </Empty>
        ) : (
          <Sections sections={found} />
        );
      }}
    </Document>
  );
}

function NoNetwork(): JSX.Element {
  return (
    <Empty title="This version keeps no network.">
      <p>
        Networks are read from ONNX files; layers as names of tensors tell them are under Weights.
      </p>
    </Empty>
  );
}
