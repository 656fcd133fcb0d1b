package reduce

import "vgpu/kernels"

type text struct{}

var sumText, prodText, minText, maxText, meanText, varText, stdText, normText, argminText, argmaxText, anyText, allText, countText, nansumText, nanmeanText, nanminText, nanmaxText text
var cumsumPage, cumprodPage, softmaxPage, logSoftmaxPage kernels.Manual

func (v *verb) page() kernels.Manual { return kernels.Manual{} }
