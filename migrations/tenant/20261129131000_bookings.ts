import { Migration } from '@mikro-orm/migrations';

const tables = [
  'appointments',
  'blocked_times',
  'breaks',
  'working_hours',
  'staff_services',
  'staff_members',
  'services',
  'service_categories',
];

/** Services, staff and their time, appointments; what writing them needs, and which roles have it at first. */
export default class Bookings extends Migration {
  override up(): void {
    this.addServices();
    this.addWeek();
    this.addAppointments();
    this.addSql(`
      INSERT INTO permissions (name, description) VALUES
        ('services:write', 'Change services, staff and the times in which they can be booked'),
        ('bookings:write', 'Book, reschedule and cancel appointments')`);
    this.addSql(`
      INSERT INTO role_permissions (role_id, permission_name)
      SELECT id, permission FROM roles JOIN (VALUES
        ('admin', 'services:write'),
        ('admin', 'bookings:write'),
        ('member', 'bookings:write')) AS grants (role, permission) ON role = name`);
  }

  private addServices(): void {
    this.addSql(`
      CREATE TABLE service_categories (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL CONSTRAINT service_categories_name_key UNIQUE
      )`);
    this.addSql(`
      CREATE TABLE services (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        category_id uuid NOT NULL CONSTRAINT services_category_id_fkey REFERENCES service_categories (id),
        name text NOT NULL CONSTRAINT services_name_key UNIQUE,
        duration_minutes integer NOT NULL
          CONSTRAINT services_duration_minutes_check CHECK (duration_minutes BETWEEN 5 AND 1440),
        slot_minutes integer NOT NULL DEFAULT 15 CONSTRAINT services_slot_minutes_check CHECK (slot_minutes BETWEEN 5 AND 1440)
      )`);
    this.addSql('CREATE INDEX services_category_id_idx ON services (category_id)');
    this.addSql(`
      CREATE TABLE staff_members (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL,
        time_zone text NOT NULL
      )`);
    this.addSql(`
      CREATE TABLE staff_services (
        staff_id uuid NOT NULL CONSTRAINT staff_services_staff_id_fkey REFERENCES staff_members (id) ON DELETE CASCADE,
        service_id uuid NOT NULL CONSTRAINT staff_services_service_id_fkey REFERENCES services (id) ON DELETE CASCADE,
        PRIMARY KEY (staff_id, service_id)
      )`);
    this.addSql('CREATE INDEX staff_services_service_id_idx ON staff_services (service_id)');
  }

  private addWeek(): void {
    for (const table of ['working_hours', 'breaks']) {
      this.addSql(`
        CREATE TABLE ${table} (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          staff_id uuid NOT NULL CONSTRAINT ${table}_staff_id_fkey REFERENCES staff_members (id) ON DELETE CASCADE,
          weekday smallint NOT NULL CONSTRAINT ${table}_weekday_check CHECK (weekday BETWEEN 1 AND 7),
          starts_at time(0) NOT NULL,
          ends_at time(0) NOT NULL CONSTRAINT ${table}_ends_at_check CHECK (ends_at - starts_at >= '00:05'),
          CONSTRAINT ${table}_staff_id_excl EXCLUDE USING gist (staff_id WITH =, weekday WITH =,
            tsrange('2001-01-01'::date + starts_at, '2001-01-01'::date + ends_at) WITH &&)
        )`);
    }
    this.addSql(`
      CREATE TABLE blocked_times (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        staff_id uuid NOT NULL CONSTRAINT blocked_times_staff_id_fkey REFERENCES staff_members (id) ON DELETE CASCADE,
        starts_at timestamptz(3) NOT NULL,
        ends_at timestamptz(3) NOT NULL CONSTRAINT blocked_times_ends_at_check CHECK (ends_at > starts_at),
        reason text
      )`);
    this.addSql('CREATE INDEX blocked_times_staff_id_ends_at_idx ON blocked_times (staff_id, ends_at)');
  }

  private addAppointments(): void {
    this.addSql(`
      CREATE TABLE appointments (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        service_id uuid NOT NULL CONSTRAINT appointments_service_id_fkey REFERENCES services (id),
        staff_id uuid NOT NULL CONSTRAINT appointments_staff_id_fkey REFERENCES staff_members (id),
        customer text NOT NULL,
        note text,
        starts_at timestamptz(3) NOT NULL,
        ends_at timestamptz(3) NOT NULL CONSTRAINT appointments_ends_at_check CHECK (ends_at > starts_at),
        booked_at timestamptz(3) NOT NULL DEFAULT now(),
        cancelled_at timestamptz(3),
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT appointments_staff_id_excl EXCLUDE USING gist (staff_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
          WHERE (cancelled_at IS NULL)
      )`);
    this.addSql('CREATE INDEX appointments_starts_at_idx ON appointments (starts_at, id)');
    this.addSql('CREATE INDEX appointments_staff_id_starts_at_idx ON appointments (staff_id, starts_at, id)');
    this.addSql('CREATE INDEX appointments_service_id_idx ON appointments (service_id)');
  }

  override down(): void {
    this.addSql("DELETE FROM permissions WHERE name IN ('services:write', 'bookings:write')");
    for (const table of tables) this.addSql(`DROP TABLE ${table}`);
  }
}
