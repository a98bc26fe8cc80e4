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
        let pool = PostgresPool(
            endpoint: try PostgresEndpoint(url: bouncer.url),
            limits: PoolLimits(size: 8, overflow: 8),
            logger: Logger(label: "test")
        )
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

        let sleeping = Task { try await pool.query("SELECT pg_sleep(60)") }
        let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(%'"
        try await eventually("it runs") { try await server.sql(running) == "1" }
        sleeping.cancel()
        await #expect(throws: PostgresError.cancelled) { try await sleeping.value }
        try await eventually("it has stopped") { try await server.sql(running) == "0" }

        await pool.close()
        try await bouncer.stop()
        try await server.stop()
    }
}
