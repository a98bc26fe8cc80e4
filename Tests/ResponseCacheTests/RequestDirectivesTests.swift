import NIOCore
import ResponseCache
import Testing

@Suite struct RequestDirectivesTests {
    private static func parse(_ value: String) -> RequestDirectives {
        RequestDirectives(parsing: ByteBuffer(string: value).readableBytesView)
    }

    @Test("Directives are read whatever their case and spacing")
    func known() {
        let directives = Self.parse(" No-Cache ,no-store,\tONLY-IF-CACHED, max-age=60")
        #expect(directives.noCache && directives.noStore && directives.onlyIfCached)
        #expect(directives.maximumAge == .seconds(60))
    }

    @Test("Unknown directives change nothing", arguments: ["", ",", "max-stale=5, foo=\"bar\"", "no-cachee"])
    func unknown(value: String) {
        #expect(Self.parse(value) == RequestDirectives())
    }

    @Test(
        "An age that cannot be understood is the least, one too large the greatest",
        arguments: [("max-age", 0), ("max-age=x", 0), ("max-age=-1", 0), ("max-age=\"5\"", 5), ("max-age=1e3", 0)]
    )
    func ages(value: String, seconds: Int64) {
        #expect(Self.parse(value).maximumAge == .seconds(seconds))
    }

    @Test("A huge age does not overflow")
    func huge() {
        #expect(Self.parse("max-age=9223372036854775807").maximumAge == .seconds(1 << 31))
    }
}
