/** What everything a drill makes in Docker is marked with. */
import type { Config } from '../../src/format/config/schema.js';
import {
  DRILL_LABEL,
  DRILL_ROOT_LABEL,
  DRILL_WORKFLOW_LABEL,
} from '../../src/format/drill-names.js';

export function drillLabels(
  config: Config,
  drillId: string,
  workflowId: string,
): Record<string, string> {
  return {
    [DRILL_LABEL]: drillId,
    [DRILL_ROOT_LABEL]: config.backups.root,
    [DRILL_WORKFLOW_LABEL]: workflowId,
  };
}
