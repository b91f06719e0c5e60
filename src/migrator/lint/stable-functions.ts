/**
 * Functions of PostgreSQL whose value is the same for all rows of a statement if their arguments are, so that a default with
 * them is stored only once. Whatever their arguments' types are, none of them is VOLATILE.
 */
export const stableFunctions: ReadonlySet<string> = new Set(
  `abs array_fill btrim ceil concat concat_ws convert_to current_setting daterange date_part date_trunc decode encode
  floor format int4range int8range json_build_array json_build_object jsonb_build_array jsonb_build_object json_object
  jsonb_object left length lower make_date make_interval make_time make_timestamp make_timestamptz md5 now numrange
  point regexp_replace repeat replace right round sha256 statement_timestamp substring to_char to_date to_json to_jsonb
  to_number to_timestamp to_tsvector transaction_timestamp timezone tsrange tstzrange upper`.split(/\s+/),
);
