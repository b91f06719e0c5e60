import { Migration } from '@mikro-orm/migrations';

/** The bodies of the functions that triggers call, by name; `notify` is the function that they call in turn. */
const bodies = (notify: string): Readonly<Record<string, string>> => ({
  notify_tenant_changed: `PERFORM ${notify}('tenants', coalesce(new.id, old.id)::text);`,
  notify_servers_changed: `PERFORM ${notify}('servers', '');`,
  notify_user_changed: `PERFORM ${notify}('users', old.id::text);`,
  notify_session_ended: `PERFORM ${notify}('users', old.user_id::text);`,
  notify_membership_changed: `
    IF tg_op <> 'INSERT' THEN PERFORM ${notify}('memberships', old.user_id || ' ' || old.tenant_id); END IF;
    IF tg_op <> 'DELETE' THEN PERFORM ${notify}('memberships', new.user_id || ' ' || new.tenant_id); END IF;`,
});

/**
 * PostgreSQL has one notification queue for the whole server, and any role can fill it. COMMIT then fails for whoever has
 * notified. A change must not fail for that: readers look again by themselves while the queue is more than half full.
 */
export default class NotifyIfRoom extends Migration {
  override up(): void {
    this.addSql(`
      CREATE FUNCTION notify_if_room(channel text, payload text) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN
        IF pg_notification_queue_usage() < 0.5 THEN PERFORM pg_notify(channel, payload); END IF;
      END $$`);
    this.addSql(`COMMENT ON FUNCTION notify_if_room IS
      'NOTIFY, unless the queue that all databases of the server share is half full: COMMIT fails when it is full'`);
    this.replaceBodies('notify_if_room');
  }

  override down(): void {
    this.replaceBodies('pg_notify');
    this.addSql('DROP FUNCTION notify_if_room(text, text)');
  }

  private replaceBodies(notify: string): void {
    for (const [name, body] of Object.entries(bodies(notify))) {
      this.addSql(`
        CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          ${body}
          RETURN NULL;
        END $$`);
    }
  }
}
