import Backend
import Foundation
import HTTPTypes
import Testing

@Suite struct IdentityTests {
    private let check = IdentityCheck(secret: "secret")
    private let now: Int64 = 1_800_000_000

    private func signature(_ time: Int64, secret: String = "secret", target: String = "/chat?a=b") -> String {
        IdentityCheck.signature(secret: secret, time: time, method: "POST", target: target, user: "ann")
    }

    @Test("A request that the gateway signed within a minute is its user's", arguments: [-60, 0, 60] as [Int64])
    func accepted(offset: Int64) throws {
        let user = try check.user(
            user: "ann",
            signature: signature(now + offset),
            method: "POST",
            target: "/chat?a=b",
            now: now
        )
        #expect(user == "ann")
    }

    /// From `printf '1\nGET\n/x\nu' | openssl dgst -sha256 -hmac key`.
    @Test("The signature is the HMAC of time, method, path with query and user")
    func knownAnswer() {
        let field = IdentityCheck.signature(secret: "key", time: 1, method: "GET", target: "/x", user: "u")
        #expect(field == "t=1,v1=5f32acc6cf9e3233e38524ba64f7f2c8d9b70671bbe5fed12aff8a757dfeee54")
    }

    @Test("Whatever differs from what was signed is 401")
    func refused() {
        let good = signature(now)
        let cases: [(user: String?, signature: String?, method: String, target: String)] = [
            (nil, good, "POST", "/chat?a=b"), ("", good, "POST", "/chat?a=b"), ("bob", good, "POST", "/chat?a=b"),
            ("ann", nil, "POST", "/chat?a=b"), ("ann", "", "POST", "/chat?a=b"), ("ann", "t=1", "POST", "/chat?a=b"),
            ("ann", good, "GET", "/chat?a=b"), ("ann", good, "POST", "/chat"), ("ann", good + "0", "POST", "/chat?a=b"),
            ("ann", signature(now - 61), "POST", "/chat?a=b"), ("ann", signature(now + 61), "POST", "/chat?a=b"),
            ("ann", signature(now, secret: "other"), "POST", "/chat?a=b"),
        ]
        for item in cases {
            #expect(throws: Problem.self, "\(item)") {
                try check.user(
                    user: item.user,
                    signature: item.signature,
                    method: item.method,
                    target: item.target,
                    now: now
                )
            }
        }
    }

    @Test("Without identity every user's route is 401 as a problem document; the open ones are not")
    func routes() async throws {
        try await TestBackend.run { backend in
            let none: HTTPFields = [HTTPField.Name("x-sluice-signature")!: "t=1,v1=0"]
            for (method, path) in [
                (HTTPRequest.Method.post, "/chat"), (.get, "/conversations"), (.post, "/documents"),
                (.get, "/conversations/\(UUID())"), (.get, "/conversations/\(UUID())/messages"),
            ] {
                let answer = try await backend.send(method, path, fields: none)
                #expect(answer.status == 401, "\(path)")
                #expect(answer.fields[.contentType] == "application/problem+json")
            }
            let old = TestBackend.signed(method: "GET", path: "/conversations", user: "ann", age: 61)
            #expect(try await backend.send(.get, "/conversations", fields: old).status == 401)
            for path in ["/health", "/ready", "/metrics", "/openapi.json", "/"] {
                #expect(try await backend.send(.get, path, fields: none).status == 200, "\(path)")
            }
        }
    }
}
