import FoundationEssentials
import PostgresClient
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct PostgresPoolTests {
    @Test("Every kind of value comes back as it was sent")
    func values() async throws {
        let server = try await TestDatabase.make()
        let pool = try PostgresPool.small(server.url)
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
        let pool = try PostgresPool.small(server.url)
        let text = String(repeating: "0123456789abcdef", count: 1 << 19)
        let rows = try await pool.query("SELECT $1 || $1 AS twice", [.text(text)])
        #expect(try rows[0].decode("twice", as: String.self) == text + text)
        await pool.close()
    }

    @Test("An error carries its code and no parameter, and the connection stays in use")
    func serverErrors() async throws {
        let server = try await TestDatabase.make()
        let pool = try PostgresPool.small(server.url, size: 1, overflow: 0)
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
        let pool = try PostgresPool.small(server.url)
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
        let pool = try PostgresPool.small(server.url)
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
}
