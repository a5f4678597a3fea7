/** What a restore or an undo would do, without a run: where no Temporal is, none is needed to look. */
import { chooseRestoreSet } from '../../activities/restore/choose-restore-set.js';
import { pastRestores } from '../../activities/rollback/past-restores.js';
import { remapConfig } from '../config/remap.js';
import type { Config } from '../format/config/schema.js';
import { toStackView } from '../config/stack-view.js';
import { connectEngine } from '../docker/engine/engine.js';
import { restoreStackInputSchema, type RestoreStackInput } from '../plan/shared/inputs.js';
import { planChosen } from '../plan/restore/plan-chosen.js';
import type { RestorePlan } from '../plan/restore/restore-types.js';
import { chooseUndo, planUndo, type UndoPlan } from '../plan/rollback/undo-plan.js';

/** @throws HoldfastError as the workflow restoreStack while it plans */
export async function planRestoreHere(
  config: Config,
  input: RestoreStackInput,
): Promise<RestorePlan> {
  const asked = restoreStackInputSchema.parse(input);
  const { map } = asked;
  const named = map === undefined ? config : remapConfig(config, map);
  const chosen = await chooseRestoreSet(
    { config, engine: connectEngine() },
    { ...asked, isAsked: true },
  );
  return planChosen(toStackView(named), chosen, asked);
}

/** @throws HoldfastError as the workflow undoRestore while it plans */
export async function planUndoHere(config: Config, restore: string): Promise<UndoPlan> {
  const past = chooseUndo(await pastRestores(config.backups.root), restore);
  return planUndo(toStackView(config), past);
}
