/** Where an artifact lies, relative to the root of the backups: the tree of the store, in one place. */

export type ArtifactCategory = 'configs' | 'data' | 'docker';
export type PlanTier = 'daily' | 'weekly' | 'monthly' | 'manual';

/** First directories of the root that no service may be named after; dot names are not names. */
export const RESERVED_SERVICE_NAMES: readonly string[] = ['sets', 'large_volumes'];

export const LARGE_DIRECTORY = 'large_volumes';

/**
 * `<service>/<tier>/<configs|data|docker>/<name>_<setId>`, or `large_volumes/<name>_<setId>`,
 * which knows no tier: the sets of several tiers made at one moment name the same directory there.
 */
export function artifactPath(
  service: string,
  tier: PlanTier,
  category: ArtifactCategory,
  name: string,
  setId: string,
  large: boolean,
): string {
  const directory = `${name}_${setId}`;
  return large ? `${LARGE_DIRECTORY}/${directory}` : `${service}/${tier}/${category}/${directory}`;
}

/** files → as configured, volume → docker, postgres → data: the folders of the store's tree. */
export function categoryOf(
  source:
    | { readonly kind: 'files'; readonly category: 'configs' | 'data' }
    | { readonly kind: 'volume' }
    | { readonly kind: 'postgres' },
): ArtifactCategory {
  switch (source.kind) {
    case 'files':
      return source.category;
    case 'volume':
      return 'docker';
    case 'postgres':
      return 'data';
  }
}
