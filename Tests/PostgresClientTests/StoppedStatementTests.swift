import PostgresClient
import TestSupport
import Testing

@Suite("Statements that are stopped", .timeLimit(.minutes(2))) struct StoppedStatementTests {
    @Test("A cancelled statement is stopped on the server too")
    func cancellation() async throws {
        let server = try await TestDatabase.make()
        let pool = try PostgresPool.small(server.url, size: 1, overflow: 0)
        let query = Task { try await pool.query(EndlessStatement.sql) }
        try await eventually("it runs") { try await server.sql(EndlessStatement.count) == "1" }
        query.cancel()
        await #expect(throws: PostgresError.cancelled) { try await query.value }
        try await eventually("it has stopped") { try await server.sql(EndlessStatement.count) == "0" }
        try await pool.query("SELECT 1")
        await pool.close()
    }

    @Test("A statement that takes too long is stopped, and its connection replaced")
    func timeout() async throws {
        let server = try await TestDatabase.make()
        let pool = try PostgresPool.small(server.url, size: 1, overflow: 0, queryTimeout: .milliseconds(200))
        await #expect(throws: PostgresError.timedOut(after: .milliseconds(200))) {
            try await pool.query(EndlessStatement.sql)
        }
        try await pool.query("SELECT 1")
        await pool.close()
    }
}
