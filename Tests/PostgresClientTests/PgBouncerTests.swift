import Logging
import PostgresClient
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct PgBouncerTests {
    private static let migrations = [
        Migration(
            version: 1,
            name: "entries",
            statements: ["CREATE TABLE entry (number bigint)", "INSERT INTO entry VALUES (0)"]
        )
    ]

    @Test("Behind PgBouncer in transaction mode: statements, transactions, migrations, a cancelled statement")
    func transactionMode() async throws {
        let server = try await PostgresServer.start()
        let bouncer = try await PgBouncer(before: server, serverConnections: 2)
        let pool = try PostgresPool.small(bouncer.url, size: 8, overflow: 8)
        try await pool.migrate(Self.migrations, logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...50 {
                group.addTask {
                    try await pool.transaction { connection in
                        try await connection.query("INSERT INTO entry VALUES ($1)", [.integer(Int64(number))])
                        try await connection.query("INSERT INTO entry VALUES ($1)", [.integer(Int64(-number))])
                    }
                }
                group.addTask {
                    _ = try await pool.query("SELECT count(*) FROM entry WHERE number > $1", [.integer(5)])
                }
            }
            try await group.waitForAll()
        }
        #expect(try await server.sql("SELECT count(*), sum(number) FROM entry") == "101|0")

        let query = Task { try await pool.query(EndlessStatement.sql) }
        try await eventually("it runs") { try await server.sql(EndlessStatement.count) == "1" }
        query.cancel()
        await #expect(throws: PostgresError.cancelled) { try await query.value }
        try await eventually("it has stopped") { try await server.sql(EndlessStatement.count) == "0" }

        await pool.close()
        try await bouncer.stop()
        try await server.stop()
    }
}
