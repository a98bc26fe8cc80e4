import Gateway
import NIOCore
import Testing

@Suite struct ConfigurationPathPatternTests {
    @Test(
        "Patterns match whole paths, by segments",
        arguments: [
            ("/chat", ["/chat"], ["/chat/", "/chats", "/cha", "/", "", "/Chat", "chat", "/%63hat"]),
            ("/", ["/"], ["", "//", "/a"]),
            ("/a/*", ["/a/b", "/a/%2F"], ["/a", "/a/", "/a/b/c", "/a/b/"]),
            ("/a/*/c", ["/a/b/c"], ["/a/c", "/a//c", "/a/b/b/c"]),
            ("/a/**", ["/a", "/a/", "/a/b", "/a/b/c", "/a//"], ["/", "/ab", "/b/a"]),
            ("/**", ["/", "/a", "/a/b/"], ["", "a"]),
            ("/**/c", ["/c", "/a/c", "/a/b/c", "/c/c"], ["/", "/c/d", "/cc"]),
            ("/a/**/b/**/c", ["/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c"], ["/a/c", "/a/b", "/a/b/x"]),
            ("/{v1,v1beta,v1alpha}/**", ["/v1/x", "/v1beta/a/b", "/v1alpha"], ["/v1bet/x", "/v2/x", "/{v1}/x"]),
            ("/x{a,b}{c,}", ["/xac", "/xa", "/xbc", "/xb"], ["/x", "/xc", "/xab"]),
            (
                "/files/*.json", ["/files/a.json", "/files/.json"],
                ["/files/a.jso", "/files/a/b.json", "/files/a.jsonx"]
            ),
            ("/a*b*c", ["/abc", "/axbxc", "/abbcc"], ["/ab", "/acb"]),
        ]
    )
    func matches(pattern: String, yes: [String], no: [String]) throws {
        let compiled = try PathPattern(pattern)
        #expect(compiled.text == pattern)
        for path in yes { #expect(compiled.matches(ByteBuffer(string: path).readableBytesView), "\(path)") }
        for path in no { #expect(!compiled.matches(ByteBuffer(string: path).readableBytesView), "\(path)") }
    }

    @Test("A path is matched where it stands in a larger buffer")
    func slice() throws {
        let buffer = ByteBuffer(string: "GET /v1/models HTTP/1.1")
        let path = buffer.readableBytesView[4..<14]
        #expect(try PathPattern("/v1/*").matches(path))
    }

    @Test(
        "What is no pattern is refused",
        arguments: [
            ("", PathPattern.Failure.noLeadingSlash), ("v1/**", .noLeadingSlash), ("/a**", .misplacedDoubleStar),
            ("/***", .misplacedDoubleStar), ("/{a", .unbalancedBraces), ("/a}", .unbalancedBraces),
            ("/{a{b}}", .unbalancedBraces), ("/{a/b,c}", .slashInBraces),
            ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", .tooManyAlternatives),
        ]
    )
    func refused(pattern: String, failure: PathPattern.Failure) {
        #expect(throws: failure) { try PathPattern(pattern) }
    }

    @Test("An empty pattern matches nothing")
    func empty() {
        #expect(!PathPattern().matches(ByteBuffer(string: "/").readableBytesView))
    }
}
