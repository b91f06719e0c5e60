import type { Direction, MigrationFile } from './migration-file.ts';
import type { SourceStatement } from './source-statements.ts';

/** Steps that share a transaction, or one that runs without. */
export interface Part {
  readonly steps: readonly MigrationFile[];
  /** Why it doesn't share the transaction of the part before although both have one, as a clause. */
  readonly reason: string | undefined;
}

/**
 * Divides the steps of a tenant that is in use into stages, each of which is complete before the next one begins. A backfill is
 * a stage of its own.
 */
export function stagesOf(steps: readonly MigrationFile[]): readonly (readonly MigrationFile[])[] {
  const stages: MigrationFile[][] = [];
  for (const step of steps) {
    const last = stages.at(-1);
    if (last && !step.backfill && !last[0]?.backfill) last.push(step);
    else stages.push([step]);
  }
  return stages;
}

/** How a batch is divided. */
export interface Division {
  readonly direction: Direction;
  /** Whether each step has a transaction of its own, even if it could share one. */
  readonly isSeparate: boolean;
  /** Whether a transaction may use a value that it has added to an enum type of its own: see {@link mayUseNewEnums}. */
  readonly usesNewEnums: boolean;
}

const together: Division = { direction: 'up', isSeparate: false, usesNewEnums: true };

/**
 * Whether PostgreSQL lets a transaction use a value that it has added to an enum type, if it has created the type too. Version 18
 * does, version 15 does not.
 * @param serverVersion such as 180001
 */
export function mayUseNewEnums(serverVersion: number): boolean {
  return serverVersion >= 180_000;
}

/** Groups steps that may share a transaction into one part. */
export function partsOf(steps: readonly MigrationFile[], division: Division = together): readonly Part[] {
  const parts: { steps: MigrationFile[]; reason: string | undefined }[] = [];
  for (const step of steps) {
    const last = parts.at(-1);
    const isShared = step.transactional && last?.steps[0]?.transactional === true;
    const reason = isShared ? (division.isSeparate ? separate : whyApart(last.steps, step, division)) : undefined;
    if (isShared && reason === undefined) last.steps.push(step);
    else parts.push({ steps: [step], reason });
  }
  return parts;
}

const separate = 'Each migration is to be committed by itself';

/** Why some steps cannot be one transaction, as a clause; undefined if they can. */
export function whyDivided(steps: readonly MigrationFile[], division: Division): string | undefined {
  const alone = steps.find(({ transactional }) => !transactional);
  return alone
    ? `${alone.name} is not transactional`
    : partsOf(steps, division).find(({ reason }) => reason !== undefined)?.reason;
}

function whyApart(part: readonly MigrationFile[], step: MigrationFile, division: Division): string | undefined {
  return enumReason(part, step, division) ?? constraintsReason(part, step, division.direction);
}

/** What the plan says about transactions: where the batch is cut, and what one transaction cannot hold. */
export function transactionWarnings(steps: readonly MigrationFile[]): string[] {
  const cuts = stagesOf(steps).flatMap((stage) => partsOf(stage).filter(({ reason }) => reason !== undefined));
  return [
    ...cuts.map(({ reason, steps: [first] }) => `${reason}. So the batch is committed before ${first?.name}.`),
    ...steps.flatMap((step) => enumUsedAtOnce(step) ?? []),
  ];
}

/**
 * PostgreSQL refuses a value that was added to an enum type, unless a newer version has seen that the type was created in the same
 * transaction, outside of savepoints. Whether it does must not depend on which migrations are applied together.
 * @see https://www.postgresql.org/docs/current/sql-altertype.html#SQL-ALTERTYPE-NOTES
 */
function enumReason(
  part: readonly MigrationFile[],
  step: MigrationFile,
  { direction, usesNewEnums }: Division,
): string | undefined {
  const isSeen = (file: MigrationFile) => usesNewEnums && !hasSavepoint(file, direction);
  const usable = new Set(part.flatMap((file) => (isSeen(file) ? enumsOf(file, direction) : [])));
  for (const file of part) {
    // PostgreSQL knows that the type is new only where it adds the value outside of savepoints too.
    const isNested = hasSavepoint(file, direction);
    for (const { addsEnumValue: added } of file.parsed[direction] ?? []) {
      if (added && (isNested || !usable.has(added.type)) && mayUse(step, direction, added.value)) {
        return `${step.name} may use the value '${added.value}' that ${file.name} adds to the enum ${added.type}, which has to be committed first`;
      }
    }
  }
  const added = addedAndUsed(step, direction);
  return added && usable.has(added.type)
    ? `${step.name} adds the value '${added.value}' to the enum ${added.type} and seems to use it, which PostgreSQL would allow only together with the migration that creates the enum`
    : undefined;
}

/** The enum types that a migration creates. */
function enumsOf({ parsed }: MigrationFile, direction: Direction): string[] {
  return (parsed[direction] ?? []).flatMap(({ createsEnum }) => createsEnum ?? []);
}

function hasSavepoint({ parsed }: MigrationFile, direction: Direction): boolean {
  return parsed[direction]?.some(({ usesSavepoint }) => usesSavepoint) ?? true;
}

function mayUse(step: MigrationFile, direction: Direction, value: string): boolean {
  const statements = step.parsed[direction];
  if (!statements) return true;
  return statements.some(({ runsCode, words }) => runsCode || [...words].some((word) => word.includes(value)));
}

/** SET CONSTRAINTS lasts until the end of the transaction, and cannot be undone. */
function constraintsReason(
  part: readonly MigrationFile[],
  step: MigrationFile,
  direction: Direction,
): string | undefined {
  const setter = part.find((file) => file.parsed[direction]?.some(({ setsConstraints }) => setsConstraints));
  const changesRows = step.parsed[direction]?.some(({ mayChangeRows }) => mayChangeRows) ?? true;
  if (!setter || !changesRows) return undefined;
  return `${setter.name} says SET CONSTRAINTS, which would last for ${step.name} in the same transaction`;
}

/**
 * What PostgreSQL refuses in a step, because one transaction cannot hold it and one file cannot be cut; undefined if
 * nothing is found.
 */
function enumUsedAtOnce(file: MigrationFile): string | undefined {
  const added = file.transactional ? addedAndUsed(file, 'up') : undefined;
  return (
    added &&
    `${file.name} adds the value '${added.value}' to the enum ${added.type} and seems to use it, which PostgreSQL refuses in one transaction. Move ALTER TYPE … ADD VALUE into a migration of its own, before this one.`
  );
}

/** A value that a migration adds to an enum type of an earlier migration, and seems to use. */
function addedAndUsed({ parsed }: MigrationFile, direction: Direction): SourceStatement['addsEnumValue'] {
  const statements = parsed[direction] ?? [];
  return statements.find(({ addsEnumValue: added }, index) => {
    const before = statements.slice(0, index);
    const isNew = before.some(({ createsEnum }) => createsEnum === added?.type);
    if (!added || (isNew && !before.some(({ usesSavepoint }) => usesSavepoint))) return false;
    return statements.slice(index + 1).some((statement) => usesAtOnce(statement, added.value));
  })?.addsEnumValue;
}

/** Another value may be added before or after it. A text may hold it where code runs. */
function usesAtOnce({ addsEnumValue, runsCode, words }: SourceStatement, value: string): boolean {
  if (addsEnumValue) return false;
  return words.has(value) || (runsCode && [...words].some((word) => word.includes(value)));
}
