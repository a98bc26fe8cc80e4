import Backend
import Foundation
import HTTPTypes
import TestSupport
import Testing

@Suite struct WebSiteTests {
    @Test("The page names its files by their content; they may be kept for ever")
    func files() async throws {
        try await TestBackend.run { backend in
            let page = try await backend.send(.get, "/")
            #expect(page.fields[.contentType] == "text/html; charset=utf-8")
            #expect(page.fields[.cacheControl] == "no-cache")
            #expect(!page.text.contains("{{"))
            let paths = page.text.matches(of: /\/assets\/[a-z]+-[0-9a-f]{16}\.[a-z]+/).map { String($0.output) }
            #expect(paths.count == 3)
            for path in paths {
                let plain = try await backend.send(.get, path)
                #expect(plain.status == 200)
                #expect(plain.fields[.cacheControl] == "public, max-age=31536000, immutable")
                #expect(plain.fields[.vary] == "Accept-Encoding")
                #expect(plain.fields[.contentEncoding] == nil)
                let compressed = try await backend.send(.get, path, fields: [.acceptEncoding: "br, gzip;q=0.5"])
                #expect(compressed.fields[.contentEncoding] == "gzip")
                #expect(compressed.fields[.eTag] != plain.fields[.eTag])
                let tag = try #require(compressed.fields[.eTag])
                let unchanged = try await backend.send(.get, path, fields: [.ifNoneMatch: "\"x\", W/\(tag)"])
                #expect(unchanged.status == 304)
                #expect(unchanged.text.isEmpty)
            }
            #expect(try await backend.send(.get, "/assets/chat-0000000000000000.js").status == 404)
            let refusing = try await backend.send(.get, paths[0], fields: [.acceptEncoding: "gzip;q=0"])
            #expect(refusing.fields[.contentEncoding] == nil)
        }
    }

    @Test("What is compressed here is what gzip unpacks, and smaller", arguments: [0, 1, 2, 3, 40_000])
    func gzip(size: Int) async throws {
        let words = ["stream ", "of ", "text ", "with ", "repeated ", "words ", "– and ümlauts "]
        var text = ""
        var number: UInt32 = 7
        while text.utf8.count < size {
            number = number &* 1_664_525 &+ 1_013_904_223
            text += words[Int(number >> 24) % words.count]
        }
        let bytes = Array(Array(text.utf8).prefix(size))
        try await expectUnpacked(bytes)
        if size > 1_000 { #expect(Gzip.compress(bytes).count < bytes.count / 2) }
    }

    @Test("Matches of every length and distance unpack")
    func gzipMatches() async throws {
        var bytes: [UInt8] = []
        for length in 1..<300 {
            bytes += (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ length) }
            bytes += [UInt8](repeating: UInt8(length & 255), count: length)
        }
        try await expectUnpacked(bytes)
        let assets = WebSite().assets.values
        #expect(assets.allSatisfy { $0.contentType == "image/svg+xml" || $0.compressed.count < $0.plain.count / 2 })
        for asset in assets { try await expectUnpacked(asset.plain) }
    }

    private func expectUnpacked(_ bytes: [UInt8]) async throws {
        let directory = try TemporaryDirectory()
        try Data(bytes).write(to: directory.url.appending(path: "plain"))
        try Data(Gzip.compress(bytes)).write(to: directory.url.appending(path: "packed.gz"))
        let result = try await run([
            "sh", "-c", "gzip -dc \(directory.path("packed.gz")) | cmp - \(directory.path("plain"))",
        ])
        #expect(result.status == 0, "\(result.output)")
    }
}
