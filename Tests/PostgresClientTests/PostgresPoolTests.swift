import FoundationEssentials
import Logging
import PostgresClient
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct PostgresPoolTests {
    private static func pool(_ url: String, size: Int = 2, overflow: Int = 2, maxWait: Duration = .seconds(5)) throws
        -> PostgresPool
    {
        var limits = PoolLimits(size: size, overflow: overflow)
        limits.maxWait = maxWait
        return PostgresPool(endpoint: try PostgresEndpoint(url: url), limits: limits, logger: Logger(label: "test"))
    }

    @Test("Every kind of value comes back as it was sent")
    func values() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        let id = UUID()
        let time = PostgresTimestamp(microsecondsSince1970: 1_767_225_599_123_456)
        let rows = try await pool.query(
            """
            SELECT $1 AS text, $2 AS number, $3 AS flag, $4 AS id, $5 AS time, $6::jsonb AS json, $7 AS bytes,
                $8::text AS missing, 3::int2 AS small, 4::int4 AS medium, 0.5::float8 AS fraction, $9 AS empty
            """,
            [
                .text("Grüße 👋 ' \" \\ $1"), .integer(.min), .boolean(true), .uuid(id), .timestamp(time),
                .json(#"{"a": [1, null]}"#), .bytes([0, 255, 1]), .null, .text(""),
            ]
        )
        let row = try #require(rows.first)
        #expect(try row.decode("text") == "Grüße 👋 ' \" \\ $1")
        #expect(try row.decode("number") == Int64.min)
        #expect(try row.decode("flag") == true)
        #expect(try row.decode("id") == id)
        #expect(try row.decode("time") == time)
        #expect(try row.decode("json") == #"{"a": [1, null]}"#)
        #expect(try row.decode("bytes") == [UInt8]([0, 255, 1]))
        #expect(try row.decode("missing", as: String?.self) == nil)
        #expect(try row.decode("text", as: String?.self) != nil)
        #expect(try row.decode("small") == 3)
        #expect(try row.decode("medium") == 4)
        #expect(try row.decode("fraction") == 0.5)
        #expect(try row.decode("empty") == "")
        #expect(throws: PostgresError.unexpectedColumn("text")) { try row.decode("text", as: Int.self) }
        #expect(throws: PostgresError.unexpectedColumn("missing")) { try row.decode("missing", as: String.self) }
        #expect(throws: PostgresError.unexpectedColumn("nothing")) { try row.decode("nothing", as: String.self) }
        await pool.close()
    }

    @Test("A result and a parameter of megabytes pass while the socket takes and gives in pieces")
    func largeValues() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        let text = String(repeating: "0123456789abcdef", count: 1 << 19)
        let rows = try await pool.query("SELECT $1 || $1 AS twice", [.text(text)])
        #expect(try rows[0].decode("twice", as: String.self) == text + text)
        await pool.close()
    }

    @Test("An error carries its code and no parameter, and the connection stays in use")
    func serverErrors() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url, size: 1, overflow: 0)
        let before: Int = try await pool.query("SELECT pg_backend_pid() AS id")[0].decode("id")
        await #expect(throws: PostgresError.server(.init(sqlState: "22P02", message: "invalid data"))) {
            try await pool.query("SELECT $1::int", [.text("secret")])
        }
        await #expect {
            try await pool.query("SELEKT 1")
        } throws: { ($0 as? PostgresError)?.sqlState == "42601" }
        let after: Int = try await pool.query("SELECT pg_backend_pid() AS id")[0].decode("id")
        #expect(before == after)
        await pool.close()
    }

    @Test("A transaction stands as a whole or not at all")
    func transactions() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        try await pool.query("CREATE TABLE entry (number bigint PRIMARY KEY)")
        try await pool.transaction { connection in
            try await connection.query("INSERT INTO entry VALUES (1)")
            try await connection.query("INSERT INTO entry VALUES (2)")
        }
        await #expect {
            try await pool.transaction { connection in
                try await connection.query("INSERT INTO entry VALUES (3)")
                try await connection.query("INSERT INTO entry VALUES (1)")
            }
        } throws: { ($0 as? PostgresError)?.sqlState == "23505" }
        let count: Int = try await pool.query("SELECT count(*) AS count FROM entry")[0].decode("count")
        #expect(count == 2)
        #expect(await pool.counts.inUse == 0)
        await pool.close()
    }

    @Test("A transaction that lost against another one is repeated")
    func serializationFailure() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url)
        try await pool.query("CREATE TABLE counter (value bigint)")
        try await pool.query("INSERT INTO counter VALUES (0)")
        var attempts = 0
        try await pool.transaction { connection in
            attempts += 1
            try await connection.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            let value: Int64 = try await connection.query("SELECT value FROM counter")[0].decode("value")
            if attempts == 1 { try await pool.query("UPDATE counter SET value = value + 1") }
            try await connection.query("UPDATE counter SET value = $1", [.integer(value + 1)])
        }
        let value: Int = try await pool.query("SELECT value FROM counter")[0].decode("value")
        #expect(value == 2)
        #expect(attempts == 2)
        await pool.close()
    }

    @Test("A hundred callers share size and overflow, and overflow is not exceeded")
    func sharing() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url, size: 2, overflow: 3, maxWait: .seconds(60))
        let sessions = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'sluice' AND datname = current_database() AND query LIKE '%pg_advisory_xact_lock(1)'
            """
        let holder = try Self.pool(server.url, size: 1, overflow: 0)
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
            try await eventually("all connections are in use") { try await server.sql(sessions) == "5" }
            let counts = await pool.counts
            #expect(counts.inUse == 5)
            #expect(counts.waiting == 95)
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
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url, size: 1, overflow: 0, maxWait: .seconds(1))
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
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url, size: 1, overflow: 0, maxWait: .seconds(3_600))
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

    @Test("Who is cancelled while it waits leaves at once, and after the end nobody is lent one")
    func cancelledWait() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url, size: 1, overflow: 0, maxWait: .seconds(60))
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

    @Test("A cancelled statement is stopped on the server too")
    func cancellation() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server.url, size: 1, overflow: 0)
        let running =
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() AND query LIKE 'SELECT pg_sleep(%'"
        let query = Task { try await pool.query("SELECT pg_sleep(60)") }
        try await eventually("it runs") { try await server.sql(running) == "1" }
        query.cancel()
        await #expect(throws: PostgresError.cancelled) { try await query.value }
        try await eventually("it has stopped") { try await server.sql(running) == "0" }
        try await pool.query("SELECT 1")
        await pool.close()
    }

    @Test("A statement that takes too long is stopped, and its connection replaced")
    func timeout() async throws {
        let server = try await TestDatabase.make()
        let pool = PostgresPool(
            endpoint: try PostgresEndpoint(url: server.url),
            limits: PoolLimits(size: 1, overflow: 0),
            queryTimeout: .milliseconds(200),
            logger: Logger(label: "test")
        )
        await #expect(throws: PostgresError.timedOut(after: .milliseconds(200))) {
            try await pool.query("SELECT pg_sleep(60)")
        }
        try await pool.query("SELECT 1")
        await pool.close()
    }
}
