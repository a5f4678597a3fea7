/** What `docker-compose config` (v1 from 1.29, and v2) prints, as far as a drill looks at it. */
import { z } from 'zod';

const text = z.string();
const optionalText = z.string().nullish().transform(emptyToUndefined);
const texts = z.array(text).nullish().transform(emptyToUndefined);

function emptyToUndefined<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined;
}

const longPortSchema = z.looseObject({
  target: z.coerce.number(),
  published: z.union([text, z.number()]).nullish(),
  protocol: text.nullish(),
});
const longVolumeSchema = z.looseObject({
  type: text.default('volume'),
  source: text.nullish(),
  target: text,
  read_only: z.boolean().nullish(),
});
export const portSchema = z.union([text, z.number(), longPortSchema]);
export const volumeEntrySchema = z.union([text, longVolumeSchema]);

export type PortEntry = z.output<typeof portSchema>;
export type VolumeEntry = z.output<typeof volumeEntrySchema>;

const serviceSchema = z.looseObject({
  image: optionalText,
  container_name: optionalText,
  ports: z.array(portSchema).nullish().transform(emptyToUndefined),
  volumes: z.array(volumeEntrySchema).nullish().transform(emptyToUndefined),
  networks: z
    .union([
      z.array(text),
      z.record(text, z.looseObject({ aliases: texts }).nullish().transform(emptyToUndefined)),
    ])
    .nullish()
    .transform(emptyToUndefined),
  depends_on: z
    .union([z.array(text), z.record(text, z.unknown())])
    .nullish()
    .transform(emptyToUndefined),
  links: texts,
  volumes_from: texts,
  network_mode: optionalText,
  pid: optionalText,
  ipc: optionalText,
  uts: optionalText,
  cgroup: optionalText,
  userns_mode: optionalText,
  runtime: optionalText,
  privileged: z.boolean().nullish().transform(emptyToUndefined),
  devices: z.array(z.unknown()).nullish().transform(emptyToUndefined),
  device_cgroup_rules: z.array(z.unknown()).nullish().transform(emptyToUndefined),
  gpus: z.unknown().optional(),
  cap_add: texts,
  mem_limit: z.union([text, z.number()]).nullish().transform(emptyToUndefined),
  deploy: z
    .looseObject({
      resources: z
        .looseObject({
          limits: z
            .looseObject({
              memory: z.union([text, z.number()]).nullish().transform(emptyToUndefined),
            })
            .nullish()
            .transform(emptyToUndefined),
          reservations: z
            .looseObject({ devices: z.array(z.unknown()).nullish().transform(emptyToUndefined) })
            .nullish()
            .transform(emptyToUndefined),
        })
        .nullish()
        .transform(emptyToUndefined),
    })
    .nullish()
    .transform(emptyToUndefined),
});

/** A volume or network: its real name, and whether compose makes it. */
const namedKeys = z.looseObject({
  name: optionalText,
  external: z
    .union([z.boolean(), z.looseObject({ name: optionalText })])
    .nullish()
    .transform(emptyToUndefined),
});
const named = z
  .record(text, namedKeys.nullish().transform(emptyToUndefined))
  .nullish()
  .transform((value) => value ?? {});
const files = z
  .record(text, z.looseObject({ file: optionalText }))
  .nullish()
  .transform((value) => value ?? {});

export const composeSchema = z.looseObject({
  services: z.record(text, serviceSchema),
  networks: named,
  volumes: named,
  secrets: files,
  configs: files,
});

export type NamedThing = z.output<typeof namedKeys>;
export type ComposeConfig = z.output<typeof composeSchema>;
export type ComposeServiceConfig = Partial<ComposeConfig['services'][string]>;

export interface SplitVolume {
  readonly type: string;
  /** A host path, a volume's key; absent for anonymous volumes and tmpfs. */
  readonly source?: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Both ways to write a mount: `source:target:mode`, and the long one. */
export function splitVolume(entry: VolumeEntry): SplitVolume {
  if (typeof entry !== 'string') {
    const { type, source, target, read_only: readOnly } = entry;
    return {
      type,
      target,
      readOnly: readOnly ?? false,
      ...(typeof source === 'string' && source !== '' ? { source } : {}),
    };
  }
  const [first = '', second, mode = ''] = entry.split(':');
  if (second === undefined) return { type: 'volume', target: first, readOnly: false };
  return {
    type: first.startsWith('/') ? 'bind' : 'volume',
    source: first,
    target: second,
    readOnly: mode.split(',').includes('ro'),
  };
}
