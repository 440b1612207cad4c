/** The models of the repository: what they are, their last versions, what they take. */
import type { JSX } from 'preact';
import { formatMetric, subject } from '../../cli/output/render.js';
import { formatBytes, formatCount, formatShare } from '../../cli/output/ui.js';
import { storageSection } from '../../cli/pages/models-page.js';
import { momentText } from '../../cli/pages/versions.js';
import type { ListedModel } from '../../use/ops/list.js';
import { Document, Empty, Refs, Sections, SelectBox, Text, VersionLink } from '../parts/basics.js';
import { pathOf, useApi } from '../state/api.js';
import { Link } from '../state/router.js';
import { GoingOn } from './runs.js';

export function ModelsView(): JSX.Element {
  const asked = useApi<ListedModel[]>(pathOf('list', { last: '3' }));
  return (
    <>
      <h1>Models</h1>
      <GoingOn />
      <Document asked={asked} what="models">
        {(models) => (models.length === 0 ? <NoModels /> : <Models models={models} />)}
      </Document>
    </>
  );
}

function NoModels(): JSX.Element {
  return (
    <Empty title="There is no version yet.">
      <p>The first one shows here as soon as it is made:</p>
      <pre>dlv add model.safetensors{'\n'}dlv commit -m "first" --metric accuracy=0.91</pre>
    </Empty>
  );
}

function Models({ models }: { models: readonly ListedModel[] }): JSX.Element {
  const versions = models.reduce((sum, model) => sum + model.versions, 0);
  return (
    <>
      <p class="dim">
        {formatCount(models.length, 'model')}, {formatCount(versions, 'version')}
      </p>
      <div class="cards">
        {models.map((model) => (
          <ModelCard key={model.model} model={model} />
        ))}
      </div>
      <Sections sections={[storageSection(models)]} />
    </>
  );
}

/** Branches that a card names. */
const BRANCHES_MAX = 4;

function branchNames(branches: ListedModel['branches']): string {
  const names = branches.map(({ branch }) => branch);
  const left = names.length - BRANCHES_MAX;
  if (left <= 1) return names.join(', ') || 'no branch';
  return `${names.slice(0, BRANCHES_MAX).join(', ')} and ${left} more branches`;
}

function ModelCard({ model }: { model: ListedModel }): JSX.Element {
  const { model: name, branches, versions, lineage, latest, current } = model;
  return (
    <article class="card" aria-label={name}>
      <h2>
        <Link view="versions" params={{ m: name }}>
          <Text of={name} />
        </Link>
        {current && <Refs of={['HEAD']} />}
      </h2>
      <p class="dim">
        {formatCount(versions, 'version')} on <Text of={branchNames(branches)} />
        {lineage.length > 0 && <>, from {lineage.map((one) => one.name).join(', ')}</>}
      </p>
      <p class="dim">
        {formatBytes(model.logicalBytes)} of files, {formatBytes(model.storedBytes)} stored (
        {formatShare(model.storedBytes, model.logicalBytes)})
      </p>
      <ul class="latest">
        {latest.map((version) => (
          <li key={version.version}>
            <SelectBox name={version.name} />
            <div>
              <VersionLink name={version.name} /> <Refs of={version.refs} />
              <span class="message">
                <Text of={subject(version.message)} />
              </span>
              <small class="dim">
                {momentText(version.time)}
                {Object.entries(version.metrics)
                  .slice(0, 3)
                  .map(([metric, value]) => (
                    <span key={metric}>
                      {' · '}
                      <Text of={metric} /> {formatMetric(value)}
                    </span>
                  ))}
              </small>
            </div>
          </li>
        ))}
      </ul>
      <p class="links">
        <Link view="versions" params={{ m: name }}>
          All versions
        </Link>
        <Link view="lineage" params={{ m: name }}>
          Lineage
        </Link>
      </p>
    </article>
  );
}
