/** What activities and workflows put into `details[0]` of their failures. */
import { z } from 'zod';

export const failureDetailSchema = z.object({
  hint: z.string().optional(),
  facts: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]),
    )
    .optional(),
});
