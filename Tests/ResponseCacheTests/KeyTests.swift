import NIOCore
import ResponseCache
import Testing

@Suite struct KeyTests {
    private static func components(_ body: String, contentType: String? = "application/json") -> KeyComponents {
        KeyComponents(
            tenant: "team",
            route: "gemini",
            upstream: "gemini",
            method: "POST",
            path: ByteBuffer(string: "/v1beta/models/m:embedContent").readableBytesView,
            contentType: contentType.map { ByteBuffer(string: $0).readableBytesView },
            body: ByteBuffer(string: body)
        )
    }

    private static func key(_ components: KeyComponents) throws -> CacheKey {
        try CacheKeyBuilder(maximumBody: 1 << 20).key(for: components)
    }

    private static func key(_ body: String) throws -> CacheKey { try key(components(body)) }

    @Test(
        "Texts that mean the same have one key",
        arguments: [
            (#"{"a":1,"b":2}"#, #" { "b" : 2 , "a" : 1 } "#),
            (#"{"a":"é"}"#, #"{"a":"\u00e9"}"#),
            (#"{"a":"é"}"#, #"{"\u0061":"\u00E9"}"#),
            (#"{"a":"😀"}"#, #"{"a":"\ud83d\uDE00"}"#),
            (#"{"a":"/"}"#, #"{"a":"\/"}"#),
            (#"{"a":"\n\t"}"#, #"{"a":"\u000a\u0009"}"#),
            (#"[{"x":{"b":[],"a":{}}}]"#, "[\n{\"x\":\r{\"a\":{},\t\"b\":[]}}]"),
            (#"{"averylongname1":1,"averylongname2":2}"#, #"{"averylongname2":2,"averylongname1":1}"#),
            (#"{"a\u0000":1,"a":2}"#, #"{"a":2,"a\u0000":1}"#),
            ("[0.1,-2e5,3]", "[ 0.1 , -2e5,\n3 ]"),
            ("[1,2,null,3,[4]]", "[1, 2,null ,3, [ 4 ]]"),
        ]
    )
    func same(left: String, right: String) throws {
        #expect(try Self.key(left) == Self.key(right))
    }

    @Test(
        "Texts that mean something else have another key",
        arguments: [
            (#"{"a":1}"#, #"{"a":1.0}"#),
            (#"{"a":1}"#, #"{"a":"1"}"#),
            (#"{"a":true}"#, #"{"a":false}"#),
            (#"{"a":null}"#, #"{}"#),
            (#"{"a":[1,2]}"#, #"{"a":[2,1]}"#),
            (#"{"a":[1,[2]]}"#, #"{"a":[1,2]}"#),
            (#"{"a":{"b":1},"c":2}"#, #"{"a":{"b":1,"c":2}}"#),
            (#"{"a":"b"}"#, #"{"b":"a"}"#),
            (#"{"a":"b c"}"#, #"{"a":"bc"}"#),
            (#"[]"#, #"{}"#),
            ("[1,2]", "[12]"),
            ("[1,[2,3]]", "[1,2,[3]]"),
            ("[1,null,2]", "[1,2,null]"),
            ("[1,2]", #"["1,2"]"#),
            (#"["ab","c"]"#, #"["a","bc"]"#),
            (#"{"é":1}"#, #"{"e\u0301":1}"#),
        ]
    )
    func different(left: String, right: String) throws {
        #expect(try Self.key(left) != Self.key(right))
    }

    @Test(
        "A body that readers could take differently has no key",
        arguments: [
            (#"{"a":1,"a":1}"#, UncacheableBody.duplicateMember),
            (#"{"a":1,"b":0,"\u0061":2}"#, .duplicateMember),
            (#"[{"x":{"averylongname":1,"averylongname":1}}]"#, .duplicateMember),
            (#"{"a":"\ud800"}"#, .malformed),
            (#"{"a":"\udc00"}"#, .malformed),
            (#"{"a":"\ud83d\u0041"}"#, .malformed),
            (#"{"a":"\u12g4"}"#, .malformed),
            (#"{"a":"\x"}"#, .malformed),
            ("{\"a\":\"\n\"}", .malformed),
            (#"{"a":01}"#, .malformed),
            (#"{"a":1.}"#, .malformed),
            (#"{"a":+1}"#, .malformed),
            (#"{"a":1e}"#, .malformed),
            (#"{"a":NaN}"#, .malformed),
            (#"{"a":tru}"#, .malformed),
            (#"{"a":1,}"#, .malformed),
            (#"[1,]"#, .malformed),
            ("[1 2]", .malformed),
            ("[1,,2]", .malformed),
            ("[1,2,-]", .malformed),
            ("[1,2", .malformed),
            (#"{a:1}"#, .malformed),
            (#"{"a" 1}"#, .malformed),
            (#"{"a":1} x"#, .malformed),
            (#"{"a":1"#, .malformed),
            (#""abc"#, .malformed),
            ("\u{FEFF}{}", .malformed),
            ("   ", .malformed),
            (String(repeating: "[", count: 129) + String(repeating: "]", count: 129), .tooDeep),
        ]
    )
    func uncacheable(body: String, reason: UncacheableBody) {
        #expect(throws: reason) { try Self.key(body) }
    }

    @Test("Nesting up to the bound is read")
    func deep() throws {
        let body = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        _ = try Self.key(body)
    }

    @Test("A duplicate is found among many members")
    func manyMembers() throws {
        let members = (0..<100).map { #""member\#($0)":\#($0)"# }
        let sorted = try Self.key("{" + members.joined(separator: ",") + "}")
        let reversed = try Self.key("{" + members.reversed().joined(separator: ",") + "}")
        #expect(sorted == reversed)
        #expect(throws: UncacheableBody.duplicateMember) {
            try Self.key("{" + (members + [#""member50":1"#]).joined(separator: ",") + "}")
        }
    }

    @Test("A body over the bound has no key")
    func tooLarge() {
        let builder = CacheKeyBuilder(maximumBody: 8)
        #expect(throws: UncacheableBody.tooLarge) { try builder.key(for: Self.components(#"{"a":123}"#)) }
    }

    @Test("A refused body leaves nothing behind in the next key")
    func reset() throws {
        let builder = CacheKeyBuilder(maximumBody: 1_024)
        let before = try builder.key(for: Self.components("[1]"))
        #expect(throws: UncacheableBody.duplicateMember) {
            try builder.key(for: Self.components(#"{"a":1,"a":1}"#))
        }
        let after = try builder.key(for: Self.components("[1]"))
        #expect(before == after)
    }

    @Test("Every component decides, and none runs into the next")
    func components() throws {
        let base = Self.components("{}")
        var variants = [base]
        func add(_ change: (inout KeyComponents) -> Void) {
            var changed = base
            change(&changed)
            variants.append(changed)
        }
        func bytes(_ text: String) -> ByteBufferView { ByteBuffer(string: text).readableBytesView }
        add { $0.tenant = nil }
        add { $0.tenant = "" }
        add {
            $0.tenant = "teamg"; $0.route = "emini"
        }
        add { $0.route = "other" }
        add { $0.upstream = "other" }
        add { $0.method = "PUT" }
        add { $0.path = bytes("/v1/models/m:embedContent") }
        add { $0.query = bytes("a=1&b=2") }
        add { $0.query = bytes("b=2&a=1") }
        add { $0.contentType = nil }
        add { $0.contentType = bytes("application/json; charset=utf-8") }
        add { $0.version = bytes("2025-10") }
        add { $0.variant = bytes("2025-10") }
        add { $0.body = ByteBuffer() }
        #expect(try Set(variants.map { try Self.key($0) }).count == variants.count)
    }

    @Test(
        "Keys in the query are left out",
        arguments: [("key=secret", nil), ("a=1&key=x&b=2", "a=1&b=2"), ("key&a=1", "a=1"), ("", nil)]
    )
    func queryKeys(with: String, without: String?) throws {
        var left = Self.components("{}")
        var right = left
        left.query = ByteBuffer(string: with).readableBytesView
        right.query = without.map { ByteBuffer(string: $0).readableBytesView }
        #expect(try Self.key(left) == Self.key(right))
    }

    @Test("Other parameters are not taken for keys")
    func otherParameters() throws {
        var left = Self.components("{}")
        left.query = ByteBuffer(string: "keys=1").readableBytesView
        #expect(try Self.key(left) != Self.key(Self.components("{}")))
    }

    @Test("A body that is not JSON counts byte by byte", arguments: [nil, "text/plain", "application/jsonx"])
    func raw(contentType: String?) throws {
        let compact = try Self.key(Self.components(#"{"a":1}"#, contentType: contentType))
        let spaced = try Self.key(Self.components(#"{"a": 1}"#, contentType: contentType))
        #expect(compact != spaced)
    }

    @Test("JSON goes by its media type", arguments: ["Application/JSON ;charset=x", "application/vnd.api+json"])
    func jsonTypes(contentType: String) throws {
        let compact = try Self.key(Self.components(#"{"a":1}"#, contentType: contentType))
        let spaced = try Self.key(Self.components(#"{"a": 1}"#, contentType: contentType))
        #expect(compact == spaced)
    }

    @Test("A body that is a slice of a larger buffer has the same key")
    func slice() throws {
        var buffer = ByteBuffer(string: #"junk{"b":"x\ny","a":2}"#)
        buffer.moveReaderIndex(forwardBy: 4)
        var components = Self.components("")
        components.body = buffer
        #expect(try Self.key(components) == Self.key(#"{"a":2,"b":"x\ny"}"#))
    }
}
