import Foundation
import Gateway
import Testing

/// The compiled files, against another implementation: Foundation's, which has data of its own.
@Suite("Time zone files") struct ZoneFileTests {
    @Test(
        "Offsets are those that Foundation tells, from 1970 to 2037",
        arguments: [
            "America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia",
            "America/Sao_Paulo", "Africa/Johannesburg", "America/St_Johns", "Etc/GMT+8", "Europe/Dublin",
        ]
    )
    func agrees(name: String) throws {
        let rules = try ZoneDatabase().rules(of: name)
        let other = try #require(TimeZone(identifier: name))
        var differing: [Int] = []
        // A step that is no divisor of a day, so that every hour is looked at.
        for time in stride(from: 0, to: 2_145_916_800, by: 6 * 3_600 + 1_799) {
            let expected = other.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time)))
            if rules.offset(at: time) != expected { differing.append(time) }
        }
        #expect(differing.isEmpty, "first at \(differing.first ?? 0), \(differing.count) in all")
    }

    @Test("Transitions are to the second, and the file's rule goes on for ever")
    func edges() throws {
        let rules = try ZoneDatabase().rules(of: "America/Los_Angeles")
        #expect(rules.offset(at: 1_772_964_000 - 1) == -28_800)
        #expect(rules.offset(at: 1_772_964_000) == -25_200)
        // July and January of the year 2500.
        #expect(rules.offset(at: 16_740_000_000) == -25_200)
        #expect(rules.offset(at: 16_725_300_000) == -28_800)
    }

    @Test(
        "Names lead nowhere but to zones",
        arguments: ["../passwd", "/etc/passwd", "", "A//B", "America", "Amerika/X"]
    )
    func unknown(name: String) {
        #expect(throws: ZoneDatabase.Failure.unknown) { try ZoneDatabase().rules(of: name) }
    }

    @Test("A file that is no zone's, or is cut short, is told from one that is")
    func malformed() throws {
        let file = try #require(FileManager.default.contents(atPath: "/usr/share/zoneinfo/America/Los_Angeles"))
        let bytes = Array(file)
        #expect(ZoneRules(compiled: bytes) != nil)
        for length in stride(from: 0, to: bytes.count - 1, by: 7) {
            #expect(ZoneRules(compiled: Array(bytes.prefix(length))) == nil)
        }
        #expect(ZoneRules(compiled: Array("not a zone at all, but long enough to be a header of one".utf8)) == nil)
    }

    @Test("Without a database only UTC is known")
    func absent() throws {
        let none = ZoneDatabase(directories: ["/nowhere"])
        #expect(throws: ZoneDatabase.Failure.absent) { try none.rules(of: "Europe/Berlin") }
        #expect(try none.rules(of: "UTC").offset(at: 1_000_000) == 0)
    }
}
