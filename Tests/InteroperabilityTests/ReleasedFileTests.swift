import ByteIO
import TestSupport
import Testing

/// Versions §1: the golden files of every version that was released, by their hashes.
///
/// A file here is never made anew and never removed: what wrote it is on people's disks. A new version
/// of a format gets files of its own, in a folder of its own.
@Suite struct ReleasedFileTests {
  static let files = [
    "formats/v1/activations-python.h5":
      "233b95b42772e35bfc38afae08b98798e8ffafd9282e500c3fd9453e68acd4fc",
    "formats/v1/activations-swift.h5":
      "b48cff07b1aab1f664927fe6326d169b0cc033cffffa1e4b80d95cd96d46c1ac",
    "formats/v1/activations.safetensors":
      "fde2acdcb908ac82855329e5a780713c27d87d77b2558d5d0da1d421ab486b62",
    "formats/v1/bs-python.h5":
      "8ee2c5bd4fd75557565cebcea2a88a10fd772d3c057ca9e97c46b1748d9d7f30",
    "formats/v1/bs-python.reslora":
      "4143254bb18fc25f99d74b395c987cfd745ce4bb47628427724803ed8b0dded2",
    "formats/v1/bs-swift.h5":
      "41a843f68f4327a20f82d15a3b3f3bca56b7340c135f3676df0bdce4da17bd38",
    "formats/v1/bs-swift.reslora":
      "6836badbc07312e355abd979684d0453a3deb97087a23bdba6a0b9863259145d",
    "formats/v1/bs.safetensors":
      "e9867588619421787eaf2585e4178367e5e0dca45d5132f93e12882c19c21290",
    "formats/v1/expected.json":
      "c5bf5a138da343cced7fffb970ea8acec5b88f7098abe224c147dc022f42cb52",
    "formats/v1/is-python.h5":
      "0e555205d41caa81a553ff26b72f96984bb98df959c6316da707b7c38a46021d",
    "formats/v1/is-python.reslora":
      "efbc71283241dc73a606c50a7668f0bc11c912cb1d357a5b17cb183c3d32bada",
    "formats/v1/is-swift.h5":
      "b3941b452e849d393297f6d01b008388792d8b4e49f1342b39c496113d6f2442",
    "formats/v1/is-swift.reslora":
      "87320974b2fb5e2ea07198465cfd74be69924ec0dd328d5cf82d6755d7d3d64a",
    "formats/v1/is.safetensors":
      "509698f5a55430c6416c2072ee950b241a1cf768912da86d1120a06153d91e45",
    "formats/v1/ms-none.reslora":
      "565fe0b4f201a93b89bc6de299b421f14dae3a6feb21d96ca4ced18d3cf08e07",
    "formats/v1/ms-python-zlib.reslora":
      "bb7834b5bd52a27d06acb9934dba16b0680f8c3d5462cd168cb64803e269f450",
    "formats/v1/ms-python-zstd.reslora":
      "24ffc677916f8e0ce801e227e4df2d76a12395edb9137d4860e5f2afdc81e9cb",
    "formats/v1/ms-python.h5":
      "bfefd243bd6cf87045959d317be70f3f93d8d73324a0f57ddb14e6685b60250c",
    "formats/v1/ms-swift-zlib.reslora":
      "5906fc7d0c091e40d0323c117aed3efa06145646c92f99a5b4a0b2c0656e56f2",
    "formats/v1/ms-swift-zstd.reslora":
      "bbcab86eb191bd11aeacc78366c7cf7fbb0c1071177c47e1c9a54923462afdfa",
    "formats/v1/ms-swift.h5":
      "3903bde14dbd73e7ccfa91dbbba9551dd476420dc05f0499d559164f9824e139",
    "formats/v1/ms.safetensors":
      "06e4dc48f9d22a94c232790d0962024d96e388d070bfaae8d4924c240da7f5c5",
    "formats/v1/plain-python.h5":
      "1f10fe5c3d19d666f353e22c8a772ce33812f10f3fd62d532ce3c9e6da4143b4",
    "formats/v1/plain-python.reslora":
      "0d5269ed0e94b102f4aee8ab74cc260ec866ee2ae3d990bf96545823dff0299e",
    "formats/v1/plain-swift.h5":
      "dd11919eaa0fe3aed2b5e0c6f376ea68debb7ae7eda090c8024e6f715f7aa0a1",
    "formats/v1/plain-swift.reslora":
      "cfc3c82e8b1cf38a0213770070f00f793d689c33bb4db12c951248af92df36d3",
    "formats/v1/plain.safetensors":
      "cf37e42325a5b51af71e7e2ea0789182876397ca9c6c9750bf51c2a7af170022",
    "formats/v1/windows-capacity-python.h5":
      "41d38ccfb9c2582bb9e6653b5187be2b4e4c60eb2721e3185bc8f9bb3701697e",
    "formats/v1/windows-capacity-python.json":
      "295d1a761f3844eead73e6e4e13ccd3224df3507ad69042c040c4552545ee7fb",
    "formats/v1/windows-capacity-swift.h5":
      "cc03c1c321e7432ad9351ad1218cdd7fc0b6146d4c2b4ba149dd7f380c92655f",
    "formats/v1/windows-capacity-swift.json":
      "0ae16abc33de13ec32f0d0e6fad87652ca18c7d06111982d2d47f1d0fee224c7",
    "formats/v1/windows-python.json":
      "4c053aaf0328efce98d6aeb75a12b2f83ee3973682edcad07499415fd7a64995",
    "formats/v1/windows-swift.json":
      "32167cdeaed6131fd3f7ae9a626d7be7a02871075cb9fd67cd07f15d4c7d4063",
    "undo/v1/base/model.safetensors.index.json":
      "032f4fc02dd27c4b651821bc5f14b6e949b8a54000a71a28ea89398669bf46c7",
    "undo/v1/base/one.safetensors":
      "a74c78af41be3c2ec31c87cd2b41ab42f57ac79fe191f68b9ab30e63d18bcc39",
    "undo/v1/base/two.safetensors":
      "674ff8d58cdec193b4a56cb4b529fb67b2514e967b930e54d95cdb651283f5b0",
    "undo/v1/folded/model.safetensors":
      "94425c7213622658be6f9b31ea7a3d4f58ba69f48e3754f3ef9a2e90bdd8d8a9",
    "undo/v1/python.undo":
      "f7b57c1ca1dd963fc94b141c2d8bf72ae689e06fdd303883f7f174c107e6e040",
    "undo/v1/swift.undo":
      "c01cc8fcbd702629e49c5628e718976637b0fa75bf6963d65fa80e25927eafec",
  ]

  @Test("each is there as it was released", arguments: files.keys.sorted())
  func unchanged(_ file: String) throws {
    let digest = try SHA256Hasher.digest(ofFile: TestFiles.fixture(file))
    #expect(digest.hexadecimal == Self.files[file])
  }

  @Test("no golden file is without a hash", arguments: ["formats/v1", "undo/v1"])
  func complete(_ folder: String) throws {
    let listed = Set(Self.files.keys.filter { $0.hasPrefix("\(folder)/") })
    #expect(try Set(Self.entries(of: folder)) == listed)
  }

  @Test("the versions are those that were released", arguments: ["formats", "undo"])
  func versions(_ kind: String) throws {
    #expect(try Paths.entries(of: TestFiles.fixture(kind)) == ["v1"])
  }

  private static func entries(of folder: String) throws -> [String] {
    try Paths.entries(of: TestFiles.fixture(folder)).flatMap { name in
      let path = "\(folder)/\(name)"
      return try Paths.kind(of: TestFiles.fixture(path)) == .folder ? entries(of: path) : [path]
    }
  }
}
