import { Migration } from '@mikro-orm/migrations';

/** Files and documents, and who may write them at first. */
export default class Documents extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE files (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL,
        content_type text NOT NULL,
        size bigint NOT NULL CONSTRAINT files_size_check CHECK (size > 0),
        status text NOT NULL CONSTRAINT files_status_check CHECK (status IN ('PENDING', 'UPLOADING', 'STORED')),
        sha256 text,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        uploaded_at timestamptz(3),
        upload_deadline timestamptz(3) NOT NULL
      )`);
    this.addSql('CREATE INDEX files_created_at_idx ON files (created_at, id)');
    this.addSql('CREATE INDEX files_status_idx ON files (status, upload_deadline)');
    this.addSql('CREATE TABLE removed_files (id uuid PRIMARY KEY, removed_at timestamptz(3) NOT NULL DEFAULT now())');
    this.addSql(`
      CREATE TABLE documents (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        title text NOT NULL,
        description text,
        file_id uuid NOT NULL CONSTRAINT documents_file_id_fkey REFERENCES files (id),
        created_at timestamptz(3) NOT NULL,
        updated_at timestamptz(3) NOT NULL,
        version integer NOT NULL DEFAULT 1
      )`);
    this.addSql('CREATE INDEX documents_created_at_idx ON documents (created_at, id)');
    this.addSql('CREATE INDEX documents_file_id_idx ON documents (file_id)');
    this.addSql(
      `INSERT INTO permissions (name, description) VALUES ('documents:write', 'Upload files and write documents')`,
    );
    this.addSql(`
      INSERT INTO role_permissions (role_id, permission_name)
      SELECT id, 'documents:write' FROM roles WHERE name IN ('admin', 'member')`);
  }

  override down(): void {
    // With it go the roles' rights to it.
    this.addSql(`DELETE FROM permissions WHERE name = 'documents:write'`);
    for (const table of ['documents', 'removed_files', 'files']) this.addSql(`DROP TABLE ${table}`);
  }
}
