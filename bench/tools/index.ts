import { borg } from './borg.js';
import { cp } from './cp.js';
import { holdfast } from './holdfast.js';
import { restic } from './restic.js';
import { tar } from './tar.js';
import type { Tool } from './tool.js';

/** In the order of the table. */
export const TOOLS: readonly Tool[] = [holdfast, restic, borg, cp, tar];
