/** Replacing a volume's content reversibly: stage → swap → restore or discard what was set aside. */
export type { AsideVolume, StagingVolume } from './aside.js';
export {
  asideName,
  discardAside,
  discardStaging,
  listAsides,
  stageVolume,
  stagingName,
} from './aside.js';
export type { SwapRequest, SwapResult, SwapStep } from './swap.js';
export { swapVolume } from './swap.js';
export type { RestoreAsideRequest } from './volume-undo.js';
export { restoreAside } from './volume-undo.js';
