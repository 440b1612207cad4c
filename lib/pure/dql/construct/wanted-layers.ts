/** Templates of layers that are to be made: CONV("conv1", units = 64, kernel = 3) as what the builder takes. */
import { closestNames } from '../../../base/bytes/words/closest.js';
import {
  defaultType,
  firstOption,
  isOfForm,
  madeKinds,
  OPTION_FORMS,
  type OptionForm,
  type OptionValue,
  optionsOf,
  typesOfKind,
} from '../../network/build/layer-spec.js';
import type { WantedLayer } from '../../network/edit/change-layers.js';
import { type LayerKind, typeOfOperator } from '../../network/layers/kinds.js';
import type { Scalar, Span, Template } from '../ast.js';
import { type Captures, instantiate, type LayerPattern } from '../layers/layer-pattern.js';
import { type LayerSet, layerPart } from '../layers/layer-set.js';
import { matching } from '../layers/layer-sets.js';
import { type Meaning, meaningIn, patternOf, positional, textOf } from '../layers/templates.js';
import { queryError } from '../parse.js';

/** A template that was read. */
export interface WantedTemplate {
  template: Template;
  kind: LayerKind;
  /** null: that of the layer in whose place it comes. */
  type: string | null;
  name: LayerPattern | null;
  from: LayerPattern | null;
  options: ReadonlyMap<string, OptionValue>;
}

/** Reads a template of a layer that is to be made. @throws {UsageError} */
export function compileWanted(text: string, template: Template): WantedTemplate {
  const { name: word, span } = template;
  const meaning = meaningOfMade(text, template);
  const { kind } = meaning;
  if (kind === null) throw notMade(text, span, word);
  const draft: {
    type: string | null;
    name: LayerPattern | null;
    from: LayerPattern | null;
  } = { type: meaning.type ?? defaultType(kind), name: null, from: null };
  const options = new Map<string, OptionValue>();
  const given: { key: string; value: Scalar | Scalar[]; span: Span }[] = [];
  for (const [i, argument] of template.arguments.entries()) {
    if (i === 0 && argument.name === null && isOperator(template)) continue;
    const key =
      argument.name ??
      (i === 0 && typeof argument.value === 'number' ? firstOption(kind) : positional(meaning, i));
    if (key === null) {
      throw queryError(
        text,
        argument.span,
        `${word} takes one argument without a name`,
        'name the others: CONV("conv1", kernel = 3, units = 64)',
      );
    }
    if (key === 'type') draft.type = typeOf(text, argument.span, kind, argument.value);
    else given.push({ key, value: argument.value, span: argument.span });
  }
  if (draft.type !== null && optionsOf(kind, draft.type) === null) throw notMade(text, span, word);
  for (const { key, value, span: at } of given) {
    if (key === 'name') draft.name = nameOf(text, at, textOf(text, at, value));
    else if (key === 'from' && formOf(kind, draft.type, key) !== null)
      draft.from = patternOf(text, at, textOf(text, at, value));
    else options.set(key, optionOf(text, { key, value, span: at, kind, type: draft.type, word }));
  }
  return { template, kind, ...draft, options };
}

/** OP("Relu"): the operator is said by its name in ONNX. */
function isOperator({ name }: Template): boolean {
  return name.toUpperCase() === 'OP';
}

/** What a template stands for; of OP("Abs") the layer that is this operator and nothing else. */
function meaningOfMade(text: string, template: Template): Meaning {
  const meaning = meaningIn(text, template.name, template.span);
  const [first] = template.arguments;
  if (!isOperator(template) || first === undefined) return meaning;
  const op = textOf(text, first.span, first.value);
  const found = typeOfOperator(op);
  if (optionsOf(found.kind, found.type) !== null) return found;
  throw notMade(text, template.span, `OP("${op}")`);
}

function notMade(text: string, span: Span, word: string): Error {
  const kinds = madeKinds().map((kind) => kind.toUpperCase());
  return queryError(
    text,
    span,
    `${word} can be asked for, but no such layer can be made`,
    `layers are made of ${kinds.join(', ')}`,
  );
}

function typeOf(text: string, span: Span, kind: LayerKind, value: Scalar | Scalar[]): string {
  const said = textOf(text, span, value).toUpperCase();
  const all = typesOfKind(kind);
  const found = all.find((type) => type.replaceAll('_', '') === said.replaceAll('_', ''));
  if (found !== undefined) return found;
  const near = closestNames(said, all);
  throw queryError(
    text,
    span,
    `no layer of the type '${said}' can be made`,
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there are ${all.join(', ')}`,
  );
}

/** The form of an option; null if the kind has none of that name. */
function formOf(kind: LayerKind, type: string | null, key: string): OptionForm | null {
  const types = type === null ? typesOfKind(kind) : [type];
  for (const one of types) {
    const options = optionsOf(kind, one) ?? {};
    if (Object.hasOwn(options, key)) return options[key] as OptionForm;
  }
  return null;
}

function optionOf(
  text: string,
  of: {
    key: string;
    value: Scalar | Scalar[];
    span: Span;
    kind: LayerKind;
    type: string | null;
    word: string;
  },
): OptionValue {
  const { key, value, span, kind, type, word } = of;
  const form = formOf(kind, type, key);
  if (form === null) {
    const types = type === null ? typesOfKind(kind) : [type];
    const known = ['name', ...types.flatMap((one) => Object.keys(optionsOf(kind, one) ?? {}))];
    const near = closestNames(key, known);
    throw queryError(
      text,
      span,
      `${word} has no '${key}'`,
      near.length > 0
        ? `did you mean ${near.join(' or ')}?`
        : known.length === 1
          ? 'it takes a name and nothing else'
          : `it has ${[...new Set(known)].join(', ')}`,
    );
  }
  const given = (value === null ? '' : value) as OptionValue;
  if (isOfForm(given, form)) return given;
  throw queryError(text, span, `${key} has to be ${OPTION_FORMS[form]}`);
}

/** A name: text and captures alone. */
function nameOf(text: string, span: Span, name: string): LayerPattern {
  const pattern = patternOf(text, span, name);
  const isName = pattern.parts.every(({ kind }) => kind === 'text' || kind === 'captured');
  if (isName && name !== '') return pattern;
  throw queryError(
    text,
    span,
    `'${name}' cannot be the name of one layer`,
    'a name has letters, digits, dots and what was captured: "relu$1"',
  );
}

/** The text that a name is with what was captured. @throws {UsageError} for a number that nothing captures. */
function written(text: string, template: Template, name: LayerPattern, captures: Captures): string {
  const { parts } = instantiate(name, captures);
  return parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const number = part.kind === 'captured' ? part.capture : 0;
      throw queryError(
        text,
        template.span,
        `nothing captures $${number}`,
        `capture it in the pattern of the layer: m["conv*($${number})"]`,
      );
    })
    .join('');
}

/** A template as what is made behind or in the place of one layer. @throws {UsageError} */
export function wantedLayer(
  text: string,
  wanted: WantedTemplate,
  place: { set: LayerSet; captures: Captures; former: { kind: LayerKind; type: string } | null },
): WantedLayer {
  const { template, kind, name, from, options } = wanted;
  const { set, captures, former } = place;
  const type = wanted.type ?? (former?.kind === kind ? former.type : null);
  if (type === null || optionsOf(kind, type) === null) {
    const [first] = typesOfKind(kind);
    throw queryError(
      text,
      template.span,
      `${template.name} wants its type`,
      `write ${template.name}("${first}"); there are ${typesOfKind(kind).join(', ')}`,
    );
  }
  return {
    ...{ kind, type, options },
    name: name === null ? null : written(text, template, name, captures),
    from: from === null ? [] : joinedLayers(text, template, set, instantiate(from, captures)),
  };
}

function joinedLayers(
  text: string,
  { span, name }: Template,
  set: LayerSet,
  pattern: LayerPattern,
): ReturnType<typeof layerPart>[] {
  const places = [...matching(set, pattern)];
  if (places.length === 0) throw queryError(text, span, `no layer fits what ${name} is to join`);
  return places.map((place) => layerPart(set, place));
}
