import PostgresClient
import Testing

@Suite struct PostgresEndpointTests {
    @Test("Several hosts are tried in order, and the writable one is looked for")
    func severalHosts() throws {
        let endpoint = try PostgresEndpoint(url: "postgresql://me:secret@a:6000,b:6001/chat")
        #expect(endpoint.hosts.map(\.name) == ["a", "b"])
        #expect(endpoint.hosts.map(\.port) == ["6000", "6001"])
        #expect(endpoint.parameters.contains(.init(keyword: "target_session_attrs", value: "read-write")))
    }

    @Test("A host given by address is not looked up, and keeps its name for the certificate")
    func address() throws {
        let endpoint = try PostgresEndpoint(
            url: "host=db.example hostaddr=10.0.0.1 sslmode=verify-full connect_timeout=3"
        )
        #expect(endpoint.hosts.map(\.address) == ["10.0.0.1"])
        #expect(endpoint.hosts.map(\.name) == ["db.example"])
        #expect(endpoint.hosts.map(\.port) == ["5432"])
        #expect(endpoint.connectTimeout == .seconds(3))
        #expect(endpoint.parameters.contains(.init(keyword: "sslmode", value: "verify-full")))
    }

    @Test(
        "An URL that cannot be read is refused, and its password is not repeated",
        arguments: [
            "postgresql://me:sec%zzret@a/chat", "host=a password='secret", "postgresql://a:1,b:2,c/x?hostaddr=1.1.1.1",
            "mysql://secret@a/b", "service=secret",
        ]
    )
    func refusal(url: String) {
        #expect {
            try PostgresEndpoint(url: url)
        } throws: { error in
            guard case .invalidURL(let reason) = error as? PostgresError else { return false }
            return !reason.contains("sec") && !reason.isEmpty
        }
    }
}
