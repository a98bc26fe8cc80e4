import Pacing
import Testing

@Suite("Names of buckets") struct BucketNameTests {
    @Test(
        "The quota ends at the first slash, whatever a caller puts behind it",
        arguments: [
            ("rpm", "rpm", nil), ("rpm/m", "rpm", "m"), ("rpm/tunedModels/m", "rpm", "tunedModels/m"),
            ("rpm/\u{301}abc", "rpm", "\u{301}abc"), ("rpm/", "rpm", ""),
        ] as [(String, String, String?)]
    )
    func parts(name: String, quota: String, model: String?) {
        let parts = BucketName.parts(of: name)
        #expect(parts.quota == quota)
        #expect(parts.model == model)
    }

    @Test("A long name keeps its quota and has its model hashed", arguments: ["", "\u{301}"])
    func long(start: String) {
        let name = "rpm/" + start + String(repeating: "m", count: 200)
        let bucket = BucketSpec(name: name, limit: 1, per: .seconds(1), burst: 1)
        #expect(bucket.name.utf8.count <= 96)
        #expect(bucket.name.hasPrefix("rpm/#"))
        #expect(BucketName.quota(of: bucket.name) == "rpm")
    }
}
