import RedisClient
import Testing

@Suite struct RedisEndpointTests {
    @Test(
        "Every form of URL is understood, and shown without credentials",
        arguments: [
            ("redis://127.0.0.1:6380/2", "127.0.0.1:6380/2"),
            ("redis://cache.example", "cache.example:6379/0"),
            ("REDIS://cache.example/", "cache.example:6379/0"),
            ("redis://user:p%40ss@host:1/0", "host:1/0"),
            ("redis://:secret@host", "host:6379/0"),
            ("redis://[::1]:7000/3", "::1:7000/3"),
            ("redis://host?db=4", "host:6379/4"),
            ("rediss://host", "host:6379/0"),
            ("unix:///run/redis.sock", "/run/redis.sock?db=0"),
            ("unix://user:secret@/run/redis.sock?db=2", "/run/redis.sock?db=2"),
            ("redis+cluster://a,b:7001", "cluster of a:6379,b:7001"),
            ("redis+cluster://user:secret@a:7000/0", "cluster of a:7000"),
            ("rediss+cluster://:secret@[::1]:7000,b", "cluster of ::1:7000,b:6379"),
            ("redis+sentinel://a,b:26380/main", "main/0 by a:26379,b:26380"),
            ("redis+sentinel://:secret@a/main/3", "main/3 by a:26379"),
            ("rediss+sentinel://user:secret@a/main/", "main/0 by a:26379"),
        ]
    )
    func forms(url: String, shown: String) throws {
        #expect(try RedisEndpoint(url: url).description == shown)
    }

    @Test(
        "What is no Redis URL is refused",
        arguments: [
            "", "127.0.0.1:6379", "http://host", "redis://", "redis://host:0", "redis://host:x", "redis://host/x",
            "redis://secret@host", "redis://host?timeout=1", "redis://[::1", "unix://run/redis.sock", "unix:///",
            "redis://:%zz@host", "redis://a,b", "redis+cluster://", "redis+cluster://a,,b", "redis+cluster://a:x",
            "redis+cluster://a/1", "redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel://a/main/x",
            "redis+cluster", "unix+cluster:///run/redis.sock",
        ]
    )
    func malformed(url: String) {
        let error = #expect(throws: RedisURLError.self) { try RedisEndpoint(url: url) }
        guard case .malformed = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("A certificate that cannot be read is named")
    func certificates() {
        let error = #expect(throws: RedisURLError.self) { try RedisEndpoint(url: "rediss://host", ca: "/no/ca.pem") }
        #expect(error?.description.contains("/no/ca.pem") == true)
        #expect(throws: RedisURLError.self) { try RedisEndpoint(url: "redis://host", ca: "/no/ca.pem") }
        #expect(throws: RedisURLError.self) { try RedisEndpoint(url: "rediss://host", certificate: "/only/this.pem") }
    }
}
