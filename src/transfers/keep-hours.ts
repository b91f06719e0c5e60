/** How long the old place of a tenant that was moved is kept if nobody says so, in hours. */
export const KEEP_HOURS = 24;
/** The longest time that it is kept, in hours: a year. */
export const MAX_KEEP_HOURS = 366 * 24;
