/** How long the old place of a tenant that has moved is kept by default, in hours. */
export const KEEP_HOURS = 24;
/** The longest time that it is kept, in hours: a year. */
export const MAX_KEEP_HOURS = 366 * 24;
