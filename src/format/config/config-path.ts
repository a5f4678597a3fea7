/** A place in the configuration. */

export type ConfigPath = readonly (string | number)[];
