import PostgresClient
import TestSupport
import Testing

@Suite("Waiting for a connection", .timeLimit(.minutes(2))) struct PoolWaitTests {
    /// One connection, which whoever has it keeps from all others.
    private static func lonePool(maxWait: Duration, minWait: Duration? = nil) async throws -> PostgresPool {
        try PostgresPool.small(
            try await TestDatabase.make().url,
            size: 1,
            overflow: 0,
            maxWait: maxWait,
            minWait: minWait
        )
    }

    /// One connection, probed each time, and time for it on the busiest machine also for who has none left.
    private static func patientPool(_ server: TestDatabase) throws -> PostgresPool {
        try PostgresPool.small(
            server.url,
            size: 1,
            overflow: 0,
            maxWait: .seconds(120),
            minWait: .seconds(60),
            probeAfter: .zero
        )
    }

    @Test("A hundred callers share size and overflow, and overflow is not exceeded")
    func sharing() async throws {
        let server = try await TestDatabase.make()
        let pool = try PostgresPool.small(server.url, size: 2, overflow: 3, maxWait: .seconds(60))
        let sessions = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'sluice' AND datname = current_database() AND query LIKE '%pg_advisory_xact_lock(1)'
            """
        let holder = try PostgresPool.small(server.url, size: 1, overflow: 0)
        let callers = try await holder.transaction { connection in
            try await connection.query("SELECT pg_advisory_xact_lock(1) AS held")
            let callers = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<100 {
                        group.addTask { _ = try await pool.query("SELECT 1 FROM pg_advisory_xact_lock(1)") }
                    }
                    try await group.waitForAll()
                }
            }
            try await eventually("all others wait") { await pool.counts.waiting == 95 }
            try await eventually("all connections are in use") { try await server.sql(sessions) == "5" }
            #expect(await pool.counts.inUse == 5)
            return callers
        }
        try await callers.value
        let counts = await pool.counts
        #expect(counts.inUse == 0)
        #expect(counts.waiting == 0)
        #expect(Int(try await server.sql(sessions)) ?? .max <= 5)
        await pool.close()
        await holder.close()
        try await eventually("all sessions end") { try await server.sql(sessions) == "0" }
    }

    @Test("Who gets no connection in time is told so")
    func exhaustion() async throws {
        let pool = try await Self.lonePool(maxWait: .seconds(1))
        // Opening one may take longer; who asked for it may be gone by then.
        try await eventually("a connection is there") {
            _ = try? await pool.query("SELECT 1")
            return await pool.counts.idle == 1
        }
        try await pool.withConnection { _ in
            _ = await #expect(throws: PostgresError.noConnection(.waitedTooLong)) { try await pool.query("SELECT 1") }
        }
        try await eventually("it is lent again") { (try? await pool.query("SELECT 1")) != nil }
        await pool.close()
    }

    @Test("Work of several statements waits for connections no longer than its own limit")
    func sharedLimit() async throws {
        let pool = try await Self.lonePool(maxWait: .seconds(3_600), minWait: .milliseconds(50))
        try await pool.withConnection { _ in
            let limit = ContinuousClock.now + .milliseconds(100)
            for _ in 0..<3 {
                await #expect(throws: PostgresError.noConnection(.waitedTooLong)) {
                    try await pool.query("SELECT 1", until: limit)
                }
                await #expect(throws: PostgresError.noConnection(.waitedTooLong)) {
                    try await pool.transaction(until: limit) { try await $0.query("SELECT 1") }
                }
            }
        }
        // What is free is lent all the same: nobody waits for it.
        try await pool.query("SELECT 1", until: .now - .seconds(1))
        await pool.close()
    }

    @Test("An idle connection is probed and lent though the caller's time is over")
    func probeAfterLimit() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.patientPool(server)
        let before: Int = try await pool.query("SELECT pg_backend_pid() AS id")[0].decode("id")
        let late = ContinuousClock.now - .seconds(1)
        let after: Int = try await pool.query("SELECT pg_backend_pid() AS id", until: late)[0].decode("id")
        #expect(before == after)
        await pool.close()
    }

    @Test("A transaction that lost its connection after its time was over is repeated on another")
    func repeatAfterLimit() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.patientPool(server)
        try await pool.query("SELECT 1")
        var attempts = 0
        try await pool.transaction(until: .now - .seconds(1)) { connection in
            attempts += 1
            let session: Int = try await connection.query("SELECT pg_backend_pid() AS id")[0].decode("id")
            if attempts == 1 { try await server.sql("SELECT pg_terminate_backend(\(session))") }
            try await connection.query("SELECT 1")
        }
        #expect(attempts == 2)
        await pool.close()
    }

    @Test("Who is cancelled while it waits leaves at once, and after the end nobody is lent one")
    func cancelledWait() async throws {
        let pool = try await Self.lonePool(maxWait: .seconds(60))
        try await pool.withConnection { _ in
            let waiting = Task { try await pool.query("SELECT 1") }
            try await eventually("it waits") { await pool.counts.waiting == 1 }
            waiting.cancel()
            await #expect(throws: PostgresError.cancelled) { try await waiting.value }
            #expect(await pool.counts.waiting == 0)
        }
        try await pool.query("SELECT 1")
        await pool.close()
        await #expect(throws: PostgresError.noConnection(.closed)) { try await pool.query("SELECT 1") }
    }
}
