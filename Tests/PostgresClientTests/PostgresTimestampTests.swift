import PostgresClient
import Testing

@Suite struct PostgresTimestampTests {
    @Test(
        "A time is written as RFC 3339 in UTC, to the microsecond",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_767_225_599_123_456, "2025-12-31T23:59:59.123456Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] as [(Int64, String)]
    )
    func format(microseconds: Int64, expected: String) {
        #expect(PostgresTimestamp(microsecondsSince1970: microseconds).rfc3339 == expected)
    }
}
