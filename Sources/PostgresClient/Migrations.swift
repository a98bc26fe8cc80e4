package import Logging

/// One step of the schema. Never changed once released: what it got wrong, a later one mends.
package struct Migration: Sendable {
    /// 1, 2, 3 …
    package let version: Int
    package let name: String
    /// Run one by one, all in the transaction of all pending migrations.
    package let statements: [String]

    package init(version: Int, name: String, statements: [String]) {
        self.version = version
        self.name = name
        self.statements = statements
    }
}

extension PostgresPool {
    /// "sluice" in ASCII.
    private static var migrationLock: Int64 { 0x736c_7569_6365 }

    /// Brings the schema up to date, all or nothing. Any number of processes may do so at once: one works, the others wait for it.
    ///
    /// The lock belongs to the transaction, not to the session, so it holds behind PgBouncer in transaction mode too. A schema that
    /// is newer than this program is left alone: during a rolling deploy the old release goes on.
    ///
    /// - Parameter migrations: in order of their versions.
    /// - Returns: the versions that were applied.
    @discardableResult
    package nonisolated func migrate(_ migrations: [Migration], logger: Logger) async throws -> [Int] {
        try await transaction(isIdempotent: true) { connection in
            try await connection.query(
                "SELECT pg_advisory_xact_lock($1)",
                [.integer(Self.migrationLock)],
                timeout: .seconds(120)
            )
            try await connection.query(
                """
                CREATE TABLE IF NOT EXISTS schema_version (
                    version bigint PRIMARY KEY,
                    name text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                )
                """
            )
            let rows = try await connection.query("SELECT coalesce(max(version), 0) AS version FROM schema_version")
            let current: Int = try rows[0].decode("version")
            if let newest = migrations.last?.version, current > newest {
                logger.warning(
                    "the schema is newer than this program",
                    metadata: ["schema": "\(current)", "known": "\(newest)"]
                )
            }
            var applied: [Int] = []
            for migration in migrations where migration.version > current {
                for statement in migration.statements {
                    try await connection.query(statement, timeout: .seconds(600))
                }
                try await connection.query(
                    "INSERT INTO schema_version (version, name) VALUES ($1, $2)",
                    [.integer(Int64(migration.version)), .text(migration.name)]
                )
                logger.info(
                    "schema migrated",
                    metadata: ["version": "\(migration.version)", "name": "\(migration.name)"]
                )
                applied.append(migration.version)
            }
            return applied
        }
    }
}
