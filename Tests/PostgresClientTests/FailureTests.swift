import PostgresClient
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct FailureTests {
    private static func pool(_ url: String, maxWait: Duration = .seconds(10)) throws -> PostgresPool {
        try PostgresPool.small(url, size: 4, overflow: 4, maxWait: maxWait)
    }

    @Test("Postgres killed in mid-use: what ran fails at once, and the pool is back when Postgres is")
    func crash() async throws {
        let server = try await PostgresServer.start()
        let pool = try Self.pool(server.url)
        try await pool.query("CREATE TABLE entry (number bigint)")
        let running = (0..<4).map { _ in Task { try await pool.query(EndlessStatement.sql) } }
        try await eventually("all run") { await pool.counts.inUse == 4 }
        try await server.kill()
        for task in running {
            await #expect {
                try await task.value
            } throws: {
                guard case .connectionLost(sent: true, _) = $0 as? PostgresError else { return false }
                return true
            }
        }
        let waiting = Task { try await pool.query("SELECT 1", retry: .idempotent) }
        try await eventually("it waits for Postgres") { await pool.counts.waiting == 1 }
        try await server.start()
        _ = try await waiting.value
        try await pool.query("INSERT INTO entry VALUES (1)")
        #expect(try await server.sql("SELECT count(*) FROM entry") == "1")
        await pool.close()
        try await server.stop()
    }

    @Test("An idle connection that died is noticed before it is lent")
    func deadIdleConnection() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        let first: Int = try await pool.query("SELECT pg_backend_pid() AS id")[0].decode("id")
        try await server.sql("SELECT pg_terminate_backend(\(first))")
        try await eventually("the session has ended") {
            try await server.sql("SELECT count(*) FROM pg_stat_activity WHERE pid = \(first)") == "0"
        }
        let second: Int = try await pool.query("SELECT pg_backend_pid() AS id")[0].decode("id")
        #expect(first != second)
        await pool.close()
    }

    @Test("Of connections that hang no more are tried than there is time for")
    func hangingConnections() async throws {
        let server = try await PostgresServer.start()
        let pool = try PostgresPool.small(
            server.url,
            size: 5,
            overflow: 0,
            maxWait: .seconds(2),
            probeAfter: .zero
        )
        func lend(_ count: Int) async throws {
            guard count > 0 else { return }
            try await pool.withConnection { _ in try await lend(count - 1) }
        }
        try await lend(5)
        #expect(await pool.counts.idle == 5)
        server.freeze()
        await #expect(throws: PostgresError.noConnection(.waitedTooLong)) { try await pool.query("SELECT 1") }
        // Each was given half of the time.
        #expect(await pool.counts.idle == 3)
        server.thaw()
        try await pool.query("SELECT 1")
        await pool.close()
        try await server.stop()
    }

    @Test("With Postgres away, callers are told within their wait")
    func unreachable() async throws {
        let pool = try Self.pool("postgresql://postgres@127.0.0.1:\(freePort())/postgres", maxWait: .milliseconds(500))
        let start = ContinuousClock.now
        await #expect(throws: PostgresError.noConnection(.waitedTooLong)) { try await pool.query("SELECT 1") }
        #expect(start.duration(to: .now) < .seconds(3))
        await pool.close()
    }

    @Test("A host that does not answer is passed over for the next; names are resolved")
    func secondHost() async throws {
        let server = try await TestDatabase.make()
        let dead = freePort()
        let pool = try Self.pool("postgresql://postgres@127.0.0.1:\(dead),localhost:\(server.port)/\(server.name)")
        let number: Int = try await pool.query("SELECT 7 AS number")[0].decode("number")
        #expect(number == 7)
        await pool.close()
    }

    @Test("A server that became read-only loses its connections, and a transaction is tried again elsewhere")
    func readOnly() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        try await pool.query("CREATE TABLE entry (number bigint)")
        var attempts = 0
        try await pool.transaction { connection in
            attempts += 1
            if attempts == 1 { try await connection.query("SET TRANSACTION READ ONLY") }
            try await connection.query("INSERT INTO entry VALUES (1)")
        }
        #expect(attempts == 2)
        #expect(try await server.sql("SELECT count(*) FROM entry") == "1")
        await pool.close()
    }

    @Test("A session ended by an operator in mid-transaction: the transaction is repeated")
    func terminatedInTransaction() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        try await pool.query("CREATE TABLE entry (number bigint)")
        var attempts = 0
        try await pool.transaction { connection in
            attempts += 1
            try await connection.query("INSERT INTO entry VALUES (1)")
            if attempts == 1 {
                let session: Int = try await connection.query("SELECT pg_backend_pid() AS id")[0].decode("id")
                try await server.sql("SELECT pg_terminate_backend(\(session))")
            }
            try await connection.query("INSERT INTO entry VALUES (2)")
        }
        #expect(attempts == 2)
        #expect(try await server.sql("SELECT count(*) FROM entry") == "2")
        await pool.close()
    }
}
