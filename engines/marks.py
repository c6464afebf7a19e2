"""Fingerprints of weights and graphs that no family of ours takes, or not yet: data.

Weights are known by names and shapes; graphs of other programs by what they call their parts. The
first entry that matches names the file, so that narrower ones stand first.
"""

from __future__ import annotations

from dataclasses import dataclass

N = None  # any length
Keys = tuple[tuple[str, tuple[int | None, ...] | None], ...]

# families of issues to come, as a person would call their rooms
PLANNED = {
    "pix2pix": "pix2pix",
    "cyclegan": "CycleGAN",
    "pix2pixhd": "pix2pixHD",
    "stargan": "StarGAN",
    "attngan": "AttnGAN",
    "captioning": "captioning",
    "icgan": "IcGAN",
    "genegan": "GeneGAN",
    "fader": "Fader Networks",
    "aging": "face ageing",
    "dagan": "DA-GAN",
    "deepdream": "DeepDream",
    "neural_style": "style",
    "fast_style": "fast style",
    "any_style": "any style",
    "anime": "anime",
}


@dataclass(frozen=True)
class Mark:
    """Weights known by names (fnmatch) and shapes (None: any length), all of which must be there.
    `family` "": no family of ours, ever. `advice`: what to do with it, as the end of a sentence."""

    family: str
    what: str
    keys: Keys
    advice: str = ""


def _mark(
    family: str, what: str, *keys: str | tuple[str, tuple[int | None, ...]], advice: str = ""
) -> Mark:
    return Mark(family, what, tuple((k, None) if isinstance(k, str) else k for k in keys), advice)


_ATTN = "; put generator, text encoder and captions.pickle into one folder and open that"
_MICRO = "; open the folder in which its four parts lie"
MARKS: tuple[Mark, ...] = (
    _mark(
        "anime",
        "a photo-to-anime net (CartoonGAN)",
        "down_conv1/*depthwise_kernel",
        "up_conv2/*depthwise_kernel",
    ),
    _mark(
        "pix2pixhd",
        "a pix2pixHD multi-scale discriminator",
        "scale0_layer0.0.weight",
        "scale1_layer0.0.weight",
    ),
    _mark(
        "pix2pixhd",
        "a pix2pixHD feature encoder",
        ("model.1.weight", (N, N, 7, 7)),
        ("model.13.weight", (N, N, 3, 3)),
        ("model.16.weight", (N, N, 3, 3)),
    ),
    _mark(
        "pix2pix",
        "a discriminator of pix2pix or CycleGAN",
        ("model.0.weight", (N, N, 4, 4)),
        ("model.2.weight", (N, N, 4, 4)),
        ("model.11.weight", (1, N, 4, 4)),
    ),
    _mark(
        "pix2pix",
        "a pixel discriminator of pix2pix, of use only to go on training",
        ("net.0.weight", (N, N, 1, 1)),
        ("net.5.weight", (1, N, 1, 1)),
    ),
    _mark(
        "stargan",
        "a StarGAN generator",
        ("main.0.weight", (N, N, 7, 7)),
        ("main.6.weight", (N, N, 4, 4)),
        ("main.9.main.0.weight", (N, N, 3, 3)),
    ),
    _mark(
        "stargan",
        "a StarGAN discriminator",
        ("main.0.weight", (N, 3, 4, 4)),
        ("conv1.weight", (1, N, 3, 3)),
        "conv2.weight",
    ),
    _mark(
        "attngan",
        "an AttnGAN generator",
        "ca_net.fc.weight",
        "h_net1.fc.0.weight",
        advice=_ATTN,
    ),
    _mark(
        "attngan",
        "an AttnGAN text encoder",
        "encoder.weight",
        "rnn.weight_ih_l0",
        "rnn.weight_ih_l0_reverse",
        advice=_ATTN,
    ),
    _mark(
        "attngan",
        "an AttnGAN image encoder (Inception-v3)",
        "emb_features.weight",
        "emb_cnn_code.weight",
        advice=_ATTN,
    ),
    _mark("attngan", "the attention of AttnGAN", "conv_context.weight"),
    _mark(
        "attngan",
        "an AttnGAN discriminator, of use only to go on training",
        "img_code_s16.0.weight",
        "COND_DNET.jointConv.0.weight",
    ),
    _mark(
        "fader", "a Fader Networks autoencoder", "enc_layers.0.0.weight", "dec_layers.0.0.weight"
    ),
    _mark(
        "fader",
        "a Fader Networks classifier",
        ("conv_layers.0.0.weight", (N, 3, 4, 4)),
        "proj_layers.0.weight",
    ),
    _mark(
        "fader",
        "a latent discriminator of Fader Networks, of use only to go on training",
        "conv_layers.0.0.weight",
        "proj_layers.0.weight",
    ),
    _mark(
        "fader",
        "a patch discriminator of Fader Networks, of use only to go on training",
        ("layers.0.weight", (N, 3, 4, 4)),
        ("layers.2.weight", (N, N, 4, 4)),
        "layers.3.running_mean",
    ),
    _mark(
        "icgan",
        "an IcGAN generator, one of three files; put it into one folder with its encoders z and y "
        "and open that",
        ("2.weight", (N, N, 4, 4)),
        ("14.weight", (N, 3, 4, 4)),
        "12.running_mean",
    ),
    _mark(
        "icgan",
        "an IcGAN encoder of attributes (y), one of three files; put it into one folder with the "
        "encoder z and the generator and open that",
        ("1.weight", (N, 3, 5, 5)),
        ("10.weight", (N, N, 5, 5)),
        ("17.weight", (N, 512)),
    ),
    _mark(
        "icgan",
        "an IcGAN encoder of what is no attribute (z), one of three files; put it into one folder "
        "with the encoder y and the generator and open that",
        ("1.weight", (N, 3, 5, 5)),
        ("10.weight", (N, N, 5, 5)),
        ("17.weight", (N, N)),
    ),
    _mark(
        "",
        "the face embedder of Ganvas, which measures how alike two faces are",
        "main.0.short.1.weight",
        ("head.weight", (N, N)),
        "norm.running_mean",
    ),
    _mark("genegan", "a GeneGAN net (its variables)", "G_splitter/conv1/W*"),
    _mark(
        "captioning",
        "a captioning decoder",
        "embed.weight",
        "lstm.weight_ih_l0",
        "linear.weight",
        advice="; open the folder in which it lies with its encoder and its vocabulary",
    ),
    _mark(
        "captioning",
        "a captioning encoder",
        ("resnet.0.weight", (N, 3, 7, 7)),
        ("linear.weight", (N, N)),
        "bn.running_mean",
        advice="; open the folder in which it lies with its decoder and its vocabulary",
    ),
    _mark(
        "captioning",
        "a captioning net with attention",
        "*attention.encoder_att.weight",
        "*decode_step.weight_ih",
    ),
    _mark(
        "fast_style",
        "a fast style net (Johnson et al.)",
        ("conv1.conv2d.weight", (N, 3, 9, 9)),
        "in1.weight",
        "deconv3.conv2d.weight",
    ),
    _mark(
        "fast_style",
        "a fast style net with MobileNet bottlenecks",
        ("conv1.weight", (N, 3, 9, 9)),
        "in1.weight",
        "upconv1.conv1.*",
        ("conv4.weight", (3, N, 9, 9)),
    ),
    _mark(
        "any_style",
        "an encoder of MicroAST",
        "enc1.0.conv_layer.weight",
        "enc2.0.*weight",
        advice=_MICRO,
    ),
    _mark(
        "any_style",
        "the decoder of MicroAST",
        "dec1.conv1.conv_layer.weight",
        "dec3.10.*",
        advice=_MICRO,
    ),
    _mark(
        "any_style",
        "the modulator of MicroAST",
        "weight1.0.conv_layer.weight",
        "bias2.0.conv_layer.weight",
        advice=_MICRO,
    ),
    _mark(
        "any_style",
        "a decoder of a pruned VGG-19 for style transfer (WCT)",
        ("conv11.weight", (3, N, 3, 3)),
        advice="; open the folder in which it lies with its encoder",
    ),
    _mark(
        "neural_style",
        "a VGG classifier, the backbone of style and dream",
        ("features.0.weight", (64, 3, 3, 3)),
        ("features.2.weight", (64, 64, 3, 3)),
        ("features.5.weight", (128, 64, 3, 3)),
    ),
    _mark(
        "enlarge",
        "an enlarger (Swift-SRGAN)",
        "initial.cnn.depthwise.weight",
        "final_conv.pointwise.weight",
    ),
    _mark("enlarge", "an enlarger (CRAFT)", "relative_position_index_h", "upsample.0.weight"),
    _mark(
        "face",
        "a face detector (MTCNN, its last stage, with landmarks)",
        "prelu1.weight",
        "dense6_3.weight",
    ),
    _mark("face", "a face detector (MTCNN, its second stage)", "prelu1.weight", "dense5_2.weight"),
    _mark("face", "a face detector (MTCNN, its first stage)", "prelu1.weight", "conv4_2.weight"),
    _mark("face", "a face detector (RFB, with landmarks)", "conv1.0.weight", "landm.3.weight"),
    _mark(
        "face", "a face detector (RFB-320)", "base_net.0.0.weight", "regression_headers.3.weight"
    ),
    _mark(
        "deepdream",
        "a GoogLeNet classifier, the backbone of DeepDream",
        "inception3a.branch1.conv.weight",
        "inception5b.branch1.conv.weight",
    ),
    _mark(
        "deepdream",
        "an Inception-v3 classifier, a backbone of DeepDream",
        "Conv2d_1a_3x3.conv.weight",
        "Mixed_7c.branch1x1.conv.weight",
    ),
    _mark(
        "deepdream",
        "a ResNet classifier, a backbone of DeepDream",
        ("conv1.weight", (N, N, 7, 7)),
        "layer1.0.conv1.weight",
        "fc.weight",
    ),
    _mark(
        "neural_style",
        "a SqueezeNet classifier, a backbone of style",
        "features.3.squeeze.weight",
        "features.12.expand3x3.weight",
    ),
    _mark(
        "enlarge",
        "an enlarger (ESRGAN)",
        "conv_first.weight",
        "*[bB]*.0.[rR][dD][bB]1.conv1.weight",
    ),
    _mark("face", "a face detector (RetinaFace)", "ClassHead.0.conv1x1.weight"),
    _mark(
        "",
        "a Stable Diffusion model, which is none of the classic nets of Ganvas",
        "model.diffusion_model.input_blocks.0.0.weight",
    ),
    _mark("", "a LoRA for a diffusion model, which Ganvas has no use for", "lora_unet_*"),
    _mark(
        "",
        "a StyleGAN generator, which is none of the classic nets of Ganvas",
        "*mapping.fc0.weight",
        "*synthesis.b4.*",
    ),
)

FINDER = "a face detector (YuNet)"
# what ONNX and TensorFlow graphs say of themselves: (all of these, family, what)
GRAPHS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"regression_headers", b"scores", b"boxes"), "face", "a face detector (RFB)"),
    ((b"backbone.model0.conv2", b"Conv_0"), "face", FINDER),
    ((b"Feedforward style transfer", b"inputImage"), "fast_style", "a fast style net"),
    ((b"AnimeGANv3_input", b"out_layer"), "anime", "a photo-to-anime net (AnimeGANv3)"),
    ((b"down_conv1", b"up_conv2"), "anime", "a photo-to-anime net (CartoonGAN)"),
    ((b"fire2/squeeze1x1", b"fire9", b"conv10"), "neural_style", "a SqueezeNet classifier"),
    ((b"NCHW_output", b"reconstruction_2_deconv_f"), "enlarge", "an enlarger (LapSRN)"),
    ((b"NCHW_output", b"DepthToSpace", b"alpha1"), "enlarge", "an enlarger (FSRCNN)"),
    ((b"NCHW_output", b"DepthToSpace", b"Tanh"), "enlarge", "an enlarger (ESPCN)"),
)
